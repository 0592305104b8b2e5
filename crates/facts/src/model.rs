//! The committed model of a service: protocol, operations and shapes.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Model {
    pub source: Source,
    pub protocol: Protocol,
    pub operations: Vec<Operation>,
    pub shapes: BTreeMap<String, Shape>,
}

/// The origin of the facts.
#[derive(Clone, Debug, Deserialize)]
pub struct Source {
    pub package: String,
    pub version: String,
    pub service: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    pub name: ProtocolName,
    pub api_version: String,
    pub json_version: Option<String>,
    /// The service's name in a credential scope.
    pub signing_name: String,
    pub target_prefix: Option<String>,
    pub xml_namespace: Option<String>,
    /// Whether errors also carry the code that the query protocol had for them.
    #[serde(default)]
    pub query_compatible: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ProtocolName {
    Json,
    Query,
    RestJson,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    pub name: String,
    #[serde(default)]
    pub input: String,
    #[serde(default)]
    pub output: String,
    /// Whether the model has no output for the operation.
    #[serde(skip)]
    pub answers_nothing: bool,
    /// The XML element around the output's members.
    pub result_wrapper: Option<String>,
    #[serde(default)]
    pub http: Http,
    /// Whether requests need no signature.
    #[serde(default)]
    pub unsigned: bool,
    pub errors: Vec<String>,
    pub paginator: Option<Paginator>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    pub method: String,
    pub request_uri: String,
    #[serde(default = "ok")]
    pub response_code: u16,
}

fn ok() -> u16 {
    200
}

impl Default for Http {
    fn default() -> Self {
        Self {
            method: "POST".to_owned(),
            request_uri: "/".to_owned(),
            response_code: ok(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paginator {
    pub input_token: String,
    pub output_token: String,
    pub limit_key: Option<String>,
    pub result_keys: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: Kind,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub pattern: Option<String>,
    /// The expression to match with, if it differs from the pattern.
    #[serde(skip)]
    pub matched_by: Option<String>,
    #[serde(default, rename = "enum")]
    pub values: Vec<String>,
    #[serde(default)]
    pub members: Vec<Member>,
    /// The member of a structure that is the whole HTTP body.
    pub payload: Option<String>,
    /// The shape of a list's elements.
    pub member: Option<String>,
    /// The name of each element in forms and XML.
    pub member_name: Option<String>,
    /// The shape of a map's values. The keys are text.
    pub value: Option<String>,
    #[serde(default)]
    pub flattened: bool,
    pub timestamp_format: Option<String>,
    #[serde(default)]
    pub exception: bool,
    #[serde(default)]
    pub fault: bool,
    /// The code of an exception, if it differs from the name of the shape.
    pub code: Option<String>,
    pub status: Option<u16>,
}

impl Shape {
    pub(crate) fn empty_structure() -> Self {
        Self {
            kind: Kind::Structure,
            min: None,
            max: None,
            pattern: None,
            matched_by: None,
            values: Vec::new(),
            members: Vec::new(),
            payload: None,
            member: None,
            member_name: None,
            value: None,
            flattened: false,
            timestamp_format: None,
            exception: false,
            fault: false,
            code: None,
            status: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Blob,
    Boolean,
    Double,
    Integer,
    List,
    Long,
    Map,
    String,
    Structure,
    Timestamp,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub name: String,
    pub shape: String,
    #[serde(default)]
    pub required: bool,
    /// `uri`, `querystring`, `header`, `headers` or `statusCode`. The default is the body.
    pub location: Option<String>,
    pub location_name: Option<String>,
    #[serde(default)]
    pub flattened: bool,
    pub timestamp_format: Option<String>,
}
