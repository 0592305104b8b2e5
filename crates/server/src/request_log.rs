//! One line in the log for each request, written when its answer has left or was given up.

use std::{net::SocketAddr, time::Instant};

use http::{HeaderMap, Method, Request, StatusCode};

const TARGET_HEADER: &str = "x-amz-target";
const REQUEST_ID_HEADER: &str = "x-amzn-requestid";
const OPERATION_CHARACTERS_MAX: usize = 80;

/// What the line says. Nothing in it can be a secret: no header but the target's operation, no query.
pub(crate) struct RequestLine(Box<Fields>);

struct Fields {
    method: Method,
    path: String,
    operation: Option<String>,
    peer: SocketAddr,
    begun: Instant,
    status: StatusCode,
    request_id: String,
    bytes_out: u64,
}

impl RequestLine {
    /// None when no such line would be written, so that a quiet server does not pay for it.
    pub(crate) fn begin<B>(request: &Request<B>, peer: SocketAddr, number: u64) -> Option<RequestLine> {
        if !tracing::enabled!(target: "ecru::request", tracing::Level::INFO) {
            return None;
        }
        Some(RequestLine(Box::new(Fields {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            operation: operation(request.headers()),
            peer,
            begun: Instant::now(),
            status: StatusCode::OK,
            request_id: format!("{number:08x}"),
            bytes_out: 0,
        })))
    }

    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.0.status = status;
        if let Some(id) = headers.get(REQUEST_ID_HEADER).and_then(|id| id.to_str().ok()) {
            id.clone_into(&mut self.0.request_id);
        }
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.0.bytes_out += bytes;
    }
}

fn operation(headers: &HeaderMap) -> Option<String> {
    let target = headers.get(TARGET_HEADER)?.to_str().ok()?;
    let (_, operation) = target.rsplit_once('.')?;
    let plain =
        operation.len() <= OPERATION_CHARACTERS_MAX && operation.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| operation.to_owned())
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let fields = &self.0;
        tracing::info!(
            target: "ecru::request",
            method = %fields.method,
            path = fields.path,
            operation = fields.operation,
            status = fields.status.as_u16(),
            bytes_out = fields.bytes_out,
            duration_ms = duration_ms(fields.begun),
            request_id = fields.request_id,
            peer = %fields.peer,
        );
    }
}

fn duration_ms(begun: Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
