//! The AWS protocols: each reads inputs and writes outputs without depending on a service.

mod json;
mod json_sink;
mod query;
mod rest_json;
mod xml;

use ecru_platform::wire::ServiceError;
use http::{HeaderName, HeaderValue};

use crate::{document::Document, form::Form, rest::RestParts};

pub(crate) use json::Json;
pub(crate) use json_sink::JsonSink;
pub(crate) use query::Query;
pub(crate) use rest_json::RestJson;
pub(crate) use xml::escape;

/// A request whose body has arrived. Each protocol takes its part of it.
#[derive(Default)]
pub struct Given {
    pub(crate) document: Document,
    pub(crate) form: Form,
    pub(crate) rest: Option<Box<RestParts>>,
}

/// An output in the text of its protocol.
pub struct Printed {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

/// Larger bodies are parsed on the blocking pool, so that the async threads can serve other requests.
pub(crate) const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Runs `read`: on the blocking pool if the body of `bytes` is large, so that other requests are not delayed.
pub(crate) async fn read_sized<T: Send + 'static>(
    bytes: usize,
    read: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    if bytes <= INLINE_BYTES_MAX {
        return read();
    }
    let reading = tokio::task::spawn_blocking(read);
    reading
        .await
        .map_err(|cause| ServiceError::internal("a body was not read").caused_by(cause))?
}

impl Printed {
    fn ok(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body,
        }
    }
}
