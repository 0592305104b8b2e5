//! What a registry as a whole has been told: its account settings, and the quotas that hold for it.

mod describe_registry;
mod get_account_setting;
mod put_account_setting;
mod quotas;

use ecru_model::{ErrorCode, Scope};
use ecru_store::{Snapshot, StoreError, Tx, Value};

use crate::Error;

pub use describe_registry::describe_registry;
pub use get_account_setting::get_account_setting;
pub use put_account_setting::put_account_setting;
pub use quotas::{InvalidQuota, Quota, QuotaSetting, Quotas};

/// The account settings that ECR knows, each with its values; the first is the default.
const ACCOUNT_SETTINGS: [(&str, &[&str]); 3] = [
    ("BASIC_SCAN_TYPE_VERSION", &["AWS_NATIVE", "CLAIR"]),
    ("REGISTRY_POLICY_SCOPE", &["V2", "V1"]),
    (BLOB_MOUNTING, &["DISABLED", "ENABLED"]),
];

const BLOB_MOUNTING: &str = "BLOB_MOUNTING";

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

/// Whether layers may be mounted from one repository of the registry into another.
pub(crate) fn mounts_blobs(at: &Snapshot<'_>, scope: &Scope) -> Result<bool, StoreError> {
    Ok(find(at, scope, BLOB_MOUNTING)?.as_deref() == Some("ENABLED"))
}

pub(crate) fn check_repository_quota(at: &Snapshot<'_>, quotas: &Quotas, scope: &Scope) -> Result<(), Error> {
    let max = quotas.of(Quota::RepositoriesPerRegistry);
    let full = at.find(
        "SELECT 1 FROM repositories WHERE account = ?1 AND region = ?2 AND deleted = 0 LIMIT 1 OFFSET ?3",
        &[
            Value::Text(scope.registry_id.as_str()),
            Value::Text(scope.region.as_str()),
            Value::Integer(max - 1),
        ],
        |row| row.integer(0),
    )?;
    match full {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ErrorCode::LimitExceededException,
            format!(
                "The registry with id '{}' already has the maximum allowed number of repositories which is \
                 '{max}'",
                scope.registry_id
            ),
        )),
    }
}

/// The values of a setting, or why there are none.
fn values_of(name: &str) -> Result<&'static [&'static str], Error> {
    let known = ACCOUNT_SETTINGS.iter().find(|(known, _)| *known == name);
    known.map(|(_, values)| *values).ok_or_else(|| {
        let names = ACCOUNT_SETTINGS.map(|(name, _)| name).join(", ");
        Error::parameter("name", &format!("Member must satisfy enum value set: [{names}]"))
    })
}
