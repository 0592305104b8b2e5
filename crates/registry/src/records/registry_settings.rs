//! The settings of a registry, as rows of names and values.

use ecru_model::Scope;
use ecru_store::{Snapshot, StoreError, Tx, Value};

pub(crate) const BASIC_SCANNER: &str = "BASIC_SCAN_TYPE_VERSION";
pub(crate) const BLOB_MOUNTING: &str = "BLOB_MOUNTING";
pub(crate) const REGISTRY_POLICY_SCOPE: &str = "REGISTRY_POLICY_SCOPE";
/// Not an account setting, so no client can set it as one.
pub(crate) const REGISTRY_POLICY: &str = "REGISTRY_POLICY";

/// The value of a setting of a registry.
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

/// Whether basic scans use the older scanner of ECR.
pub(crate) fn scans_as_before(at: &Snapshot<'_>, scope: &Scope) -> Result<bool, StoreError> {
    Ok(find(at, scope, BASIC_SCANNER)?.as_deref() == Some("CLAIR"))
}

/// Whether a layer may be mounted from one repository of the registry into another.
pub(crate) fn mounts_blobs(at: &Snapshot<'_>, scope: &Scope) -> Result<bool, StoreError> {
    Ok(find(at, scope, BLOB_MOUNTING)?.as_deref() == Some("ENABLED"))
}
