//! The AWS protocols: each reads inputs and writes outputs without knowing of what service.

mod json;
mod json_sink;
mod query;
mod rest_json;
mod xml;

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

impl Printed {
    fn ok(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body,
        }
    }
}
