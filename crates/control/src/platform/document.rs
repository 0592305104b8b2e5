//! `/_ecru/openapi.json`: the description of the API.

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::body::NoBody;
use crate::call::Call;
use crate::problem::Problem;
use crate::query::NoQuery;
use crate::route::{Room, room, route};

/// Written by `cargo xtask openapi` from the table of routes.
const DOCUMENT: &str = include_str!("../../openapi.json");

pub(super) const ROOM: Room = room!(
    "document",
    "The description of the API.",
    [route!(
        Get,
        "/_ecru/openapi.json",
        "getDocument",
        "Returns this document, in OpenAPI 3.1",
        get
    )]
);

struct Document;

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::from_str::<&RawValue>(DOCUMENT.trim_end());
        text.map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Document {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Document".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}

async fn get(_: Call<'_>, _: NoQuery, _: NoBody) -> Result<Document, Problem> {
    Ok(Document)
}
