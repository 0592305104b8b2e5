//! What a registry as a whole has been told: its account settings, and the quotas that hold for it.

mod delete_registry_policy;
mod describe_registry;
mod get_account_setting;
mod get_registry_policy;
mod put_account_setting;
mod put_registry_policy;
mod quotas;

use ecru_model::{ErrorCode, Scope};
use ecru_store::{Snapshot, StoreError, Tx, Value};

use crate::Error;
use crate::access::Policy;

pub use delete_registry_policy::delete_registry_policy;
pub use describe_registry::describe_registry;
pub use get_account_setting::get_account_setting;
pub use get_registry_policy::get_registry_policy;
pub use put_account_setting::put_account_setting;
pub use put_registry_policy::put_registry_policy;
pub(crate) use quotas::{Held, forget_counters};
pub use quotas::{InvalidQuota, Quota, QuotaSetting, Quotas};

/// The account settings that ECR knows, each with its values; the first is the default.
const ACCOUNT_SETTINGS: [(&str, &[&str]); 3] = [
    (BASIC_SCANNER, &["AWS_NATIVE", "CLAIR"]),
    (REGISTRY_POLICY_SCOPE, &["V2", "V1"]),
    (BLOB_MOUNTING, &["DISABLED", "ENABLED"]),
];

const BASIC_SCANNER: &str = "BASIC_SCAN_TYPE_VERSION";
const BLOB_MOUNTING: &str = "BLOB_MOUNTING";
const REGISTRY_POLICY_SCOPE: &str = "REGISTRY_POLICY_SCOPE";
/// Not one of the account settings, so that nobody can put it as one.
pub(crate) const REGISTRY_POLICY: &str = "REGISTRY_POLICY";

/// How far a registry policy reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyScope {
    /// Replication, the pull-through cache, and the repositories these create.
    V1,
    /// Every action.
    V2,
}

/// What a registry has been told under a name.
pub(crate) fn find(at: &Snapshot<'_>, scope: &Scope, name: &str) -> Result<Option<String>, StoreError> {
    let key = [scope.registry_id.as_str(), scope.region.as_str(), name].map(Value::Text);
    at.find(
        "SELECT value FROM registry_settings WHERE account = ?1 AND region = ?2 AND name = ?3",
        &key,
        |row| Ok(row.text(0)?.to_owned()),
    )
}

pub(crate) fn save(tx: &Tx<'_>, scope: &Scope, name: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO registry_settings (account, region, name, value) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account, region, name) DO UPDATE SET value = excluded.value",
        &[scope.registry_id.as_str(), scope.region.as_str(), name, value].map(Value::Text),
    )?;
    Ok(())
}

pub(crate) fn remove(tx: &Tx<'_>, scope: &Scope, name: &str) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM registry_settings WHERE account = ?1 AND region = ?2 AND name = ?3",
        &[scope.registry_id.as_str(), scope.region.as_str(), name].map(Value::Text),
    )?;
    Ok(())
}

/// Whether basic scans are those of the scanner before today's.
pub(crate) fn scans_as_before(at: &Snapshot<'_>, scope: &Scope) -> Result<bool, StoreError> {
    Ok(find(at, scope, BASIC_SCANNER)?.as_deref() == Some("CLAIR"))
}

/// Whether layers may be mounted from one repository of the registry into another.
pub(crate) fn mounts_blobs(at: &Snapshot<'_>, scope: &Scope) -> Result<bool, StoreError> {
    Ok(find(at, scope, BLOB_MOUNTING)?.as_deref() == Some("ENABLED"))
}

/// The policy of the registry, and how far it reaches.
pub(crate) fn find_policy(at: &Snapshot<'_>, scope: &Scope) -> Result<Option<(Policy, PolicyScope)>, Error> {
    let Some(text) = find(at, scope, REGISTRY_POLICY)? else {
        return Ok(None);
    };
    read_policy(at, scope, &text).map(Some)
}

/// The policy that a registry has in these words.
pub(crate) fn read_policy(
    at: &Snapshot<'_>,
    scope: &Scope,
    text: &str,
) -> Result<(Policy, PolicyScope), Error> {
    let policy = Policy::parse_stored(text)
        .ok_or_else(|| StoreError::damaged("a stored registry policy is invalid"))?;
    let reach = match find(at, scope, REGISTRY_POLICY_SCOPE)?.as_deref() {
        Some("V1") => PolicyScope::V1,
        _ => PolicyScope::V2,
    };
    Ok((policy, reach))
}

fn load_policy(at: &Snapshot<'_>, scope: &Scope) -> Result<String, Error> {
    find(at, scope, REGISTRY_POLICY)?.ok_or_else(|| {
        Error::new(
            ErrorCode::RegistryPolicyNotFoundException,
            format!(
                "Registry policy does not exist in the registry with id '{}'",
                scope.registry_id
            ),
        )
    })
}

/// The values of a setting, or why there are none.
fn values_of(name: &str) -> Result<&'static [&'static str], Error> {
    let known = ACCOUNT_SETTINGS.iter().find(|(known, _)| *known == name);
    known.map(|(_, values)| *values).ok_or_else(|| {
        let names = ACCOUNT_SETTINGS.map(|(name, _)| name).join(", ");
        Error::parameter("name", &format!("Member must satisfy enum value set: [{names}]"))
    })
}
