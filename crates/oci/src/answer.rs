//! Builds answers, and adds the headers that all of them have.

use bytes::Bytes;
use http::response::Builder;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::refusal::Refusal;
use crate::{Answer, Body};

pub(crate) const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(crate) const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(crate) const TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(crate) const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

pub(crate) fn base() -> Response<Body> {
    let mut response = Response::new(Body::Bytes(Bytes::from_static(b"{}")));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A list as JSON.
pub(crate) fn json(builder: Builder, list: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(list).map_err(|_| Refusal::internal())?;
    with_body(builder, Body::Bytes(text.into()))
}

/// An answer that consists of headers only. 204 and 304 never have a length.
pub(crate) fn empty(builder: Builder, status: StatusCode) -> Answer {
    let builder = match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => builder,
        _ => builder.header(header::CONTENT_LENGTH, 0),
    };
    with_body(builder.status(status), Body::Empty)
}

/// The header values are constants of ours or were parsed, so building fails only through a fault of ours.
pub(crate) fn with_body(builder: Builder, body: Body) -> Answer {
    builder.body(body).map_err(|_| Refusal::internal())
}

/// Adds the headers of every answer. An answer to HEAD loses its body.
pub(crate) fn finish(response: Response<Body>, is_head: bool) -> Response<Body> {
    let (mut parts, mut body) = response.into_parts();
    parts
        .headers
        .insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    if let Body::Bytes(bytes) = &body {
        parts.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
    }
    if is_head {
        body = Body::Empty;
    }
    Response::from_parts(parts, body)
}
