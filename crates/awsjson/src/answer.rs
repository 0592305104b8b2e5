//! What goes back: an output, or an error by the name a client knows it by.

use std::error::Error as StdError;

use bytes::Bytes;
use ecru_model::ErrorCode;
use ecru_registry::{Detail, Error};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use uuid::Uuid;

use crate::writer::Writer;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What a client reads of a fault of ours, whatever its cause.
const FAULT_TEXT: &str = "These errors are usually caused by a server-side issue.";

/// Whether the names that are ours alone go out as they are, or as the model's for the same case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorNames {
    #[default]
    Ecru,
    Aws,
}

impl ErrorNames {
    fn of(self, code: ErrorCode) -> ErrorCode {
        match self {
            Self::Ecru => code,
            Self::Aws => code.modelled(),
        }
    }
}

pub(crate) fn success(request_id: &Uuid, output: Vec<u8>) -> Response<Bytes> {
    respond(StatusCode::OK, request_id, output)
}

pub(crate) fn failure(request_id: &Uuid, error: &Error, names: ErrorNames) -> Response<Bytes> {
    let code = names.of(error.code);
    let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if is_hidden(error.code) {
        let chain = chain(error);
        tracing::error!(%request_id, code = error.code.name(), chain, "a request failed");
    }
    let mut response = respond(status, request_id, print(code, error));
    response
        .headers_mut()
        .insert(ERROR_TYPE, HeaderValue::from_static(code.name()));
    response
}

/// A fault tells its inner text to the log only; that an operation is not built is no fault.
fn is_hidden(code: ErrorCode) -> bool {
    code.is_fault() && code != ErrorCode::NotImplementedException
}

fn print(code: ErrorCode, error: &Error) -> Vec<u8> {
    let message = if is_hidden(error.code) {
        FAULT_TEXT
    } else {
        &error.message
    };
    let mut writer = Writer::new();
    writer.object(|writer| {
        writer.name("__type");
        writer.text(code.name());
        writer.name("message");
        writer.text(message);
        print_detail(writer, &error.detail);
    });
    writer.finish()
}

fn print_detail(writer: &mut Writer, detail: &Detail) {
    match detail {
        Detail::None => {}
        Detail::InvalidLayerPart {
            registry_id,
            repository_name,
            upload_id,
            last_valid_byte_received,
        } => {
            let texts = [
                ("registryId", registry_id),
                ("repositoryName", repository_name),
                ("uploadId", upload_id),
            ];
            for (name, text) in texts {
                writer.name(name);
                writer.text(text);
            }
            writer.name("lastValidByteReceived");
            writer.integer(*last_valid_byte_received);
        }
        Detail::Kms { error } => {
            writer.name("kmsError");
            writer.text(error);
        }
    }
}

fn chain(error: &Error) -> String {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push_str(": ");
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    chain
}

fn respond(status: StatusCode, request_id: &Uuid, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    if let Ok(request_id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID, request_id);
    }
    response
}
