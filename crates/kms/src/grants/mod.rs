//! Grants: records of who may use a key for what. Nothing is decided by them yet.

mod create_grant;
mod list_grants;
mod retire_grant;
mod revoke_grant;

use std::collections::BTreeMap;

use ecru_store::{StoreError, Tx, Value};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::GrantConstraints;
use crate::records::key::{Key, place};

pub(crate) use create_grant::create_grant;
pub(crate) use list_grants::list_grants;
pub(crate) use retire_grant::retire_grant;
pub(crate) use revoke_grant::revoke_grant;

/// What a grant says, as its row holds it. A new member must have a default, so that older rows stay readable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Terms {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grantee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grantee_service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring_service: Option<String>,
    issuing_account: String,
    operations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraints: Option<Constraints>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Constraints {
    #[serde(skip_serializing_if = "Option::is_none")]
    context_subset: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_equals: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_arn: Option<String>,
}

impl From<GrantConstraints> for Constraints {
    fn from(given: GrantConstraints) -> Self {
        Self {
            context_subset: given.encryption_context_subset,
            context_equals: given.encryption_context_equals,
            source_arn: given.source_arn.map(|arn| arn.as_str().to_owned()),
        }
    }
}

/// Returns false if the key has no such grant.
fn remove(tx: &Tx<'_>, key: &Key, grant_id: &str) -> Result<bool, StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    let removed = tx.execute(
        "DELETE FROM kms_grants WHERE account = ?1 AND region = ?2 AND key_id = ?3 AND id = ?4",
        &[account, region, id, Value::Text(grant_id)],
    )?;
    Ok(removed > 0)
}

fn not_found(grant_id: &str) -> Error {
    refused(
        ErrorCode::NotFoundException,
        format!("Grant ID {grant_id} not found"),
    )
}
