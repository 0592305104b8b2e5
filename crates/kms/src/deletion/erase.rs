//! Background work that erases the material of keys whose waiting time has ended.

use std::sync::Arc;

use ecru_model::{Scope, Timestamp};
use ecru_platform::jobs::{Job, Lease, Outcome, Work};
use ecru_store::{StoreError, Tx, Value};
use serde_json::json;

use crate::records::key::place;
use crate::{Error, Service};

/// The subject is the id of a key.
pub(crate) struct KeyDeletion;

impl Work for KeyDeletion {
    type Service = Service;
    type Error = Error;
    type Subject = String;
    const NAME: &'static str = "kms-key-deletion";

    async fn run(service: &Arc<Service>, job: Job<String>, lease: &Lease) -> Result<Outcome, Error> {
        let (lease, now) = (lease.clone(), service.clock.now());
        let erasing = service.store.write(move |tx| {
            lease.check(tx)?;
            Ok::<_, Error>(erase(tx, &job.scope, &job.subject, now)?)
        });
        erasing.await
    }
}

fn erase(tx: &Tx<'_>, scope: &Scope, id: &str, now: Timestamp) -> Result<Outcome, StoreError> {
    let deletion_at = tx.find(
        "SELECT deletion_at FROM kms_keys WHERE account = ?1 AND region = ?2 AND id = ?3 AND deleted = 0",
        &place(scope, id),
        |row| row.optional_integer(0),
    )?;
    let Some(deletion_at) = deletion_at.flatten().map(Timestamp::from_millis) else {
        return Ok(Outcome::Done(json!({ "erased": false })));
    };
    // The deletion was cancelled and scheduled again.
    if deletion_at > now {
        return Ok(Outcome::Again(deletion_at));
    }
    tx.execute(
        "UPDATE kms_keys SET deleted = 1, description = '' WHERE account = ?1 AND region = ?2 AND id = ?3",
        &place(scope, id),
    )?;
    remove_parts(tx, place(scope, id))?;
    Ok(Outcome::Done(json!({ "erased": true })))
}

/// Deletes everything that belongs to a key, its material first of all.
fn remove_parts(tx: &Tx<'_>, key: [Value<'_>; 3]) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM kms_materials WHERE account = ?1 AND region = ?2 AND key_id = ?3",
        "DELETE FROM kms_aliases WHERE account = ?1 AND region = ?2 AND key_id = ?3",
        "DELETE FROM kms_policies WHERE account = ?1 AND region = ?2 AND key_id = ?3",
        "DELETE FROM kms_tags WHERE account = ?1 AND region = ?2 AND key_id = ?3",
        "DELETE FROM kms_grants WHERE account = ?1 AND region = ?2 AND key_id = ?3",
    ] {
        tx.execute(statement, &key)?;
    }
    Ok(())
}
