//! KMS beside its requests: its background work, and its reset.

use std::sync::Arc;

use ecru_platform::component::Component;
use ecru_platform::jobs::{self, Kind, Work as _};
use ecru_store::{StoreError, Tx, Value};

use crate::Service;
use crate::deletion::KeyDeletion;
use crate::rotation::KeyRotation;

impl Component for Service {
    fn name(&self) -> &'static str {
        "kms"
    }

    fn kinds(self: Arc<Self>) -> Vec<Kind> {
        vec![Kind::of::<KeyDeletion>(&self), Kind::of::<KeyRotation>(&self)]
    }

    fn forget(&self, tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM kms_materials WHERE account = ?1 OR ?1 IS NULL",
            "DELETE FROM kms_aliases WHERE account = ?1 OR ?1 IS NULL",
            "DELETE FROM kms_policies WHERE account = ?1 OR ?1 IS NULL",
            "DELETE FROM kms_tags WHERE account = ?1 OR ?1 IS NULL",
            "DELETE FROM kms_grants WHERE account = ?1 OR ?1 IS NULL",
            "DELETE FROM kms_keys WHERE account = ?1 OR ?1 IS NULL",
        ] {
            tx.execute(statement, &[Value::from(account)])?;
        }
        jobs::forget(tx, account, &[KeyDeletion::NAME, KeyRotation::NAME])
    }
}
