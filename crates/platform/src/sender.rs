//! The sender of a signed request.

use std::collections::BTreeMap;

use ecru_model::{Caller, Region, Scope};
use serde::{Deserialize, Serialize};

/// The access key that signed a request, and the region it was signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub access_key_id: String,
    pub region: Region,
}

#[derive(Clone, Debug)]
pub struct Sender {
    pub access_key_id: String,
    pub caller: Caller,
    /// The account of the caller, in the region that the request was signed for.
    pub scope: Scope,
    pub session: Option<Session>,
}

/// An identity with temporary credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub caller: Caller,
    /// As `aws:userid` and `GetCallerIdentity` name it.
    pub user_id: String,
    pub details: SessionDetails,
}

/// What was given with the request for the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitive_tag_keys: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}
