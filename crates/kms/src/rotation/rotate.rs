//! Background work that gives keys new material when it is due.

use std::sync::Arc;

use ecru_model::Timestamp;
use ecru_platform::jobs::{Job, Lease, Outcome, Work};
use ecru_store::{StoreError, Tx, Value};
use serde_json::json;

use crate::primitives::generate;
use crate::records::key::{self, KEY_ROTATION, Key, Rotation, days_after, place};
use crate::records::material::{self, Wrapped};
use crate::{Error, Service};

/// The subject is the id of a key.
pub(crate) struct KeyRotation;

impl Work for KeyRotation {
    type Service = Service;
    type Error = Error;
    type Subject = String;
    const NAME: &'static str = KEY_ROTATION;

    async fn run(service: &Arc<Service>, job: Job<String>, lease: &Lease) -> Result<Outcome, Error> {
        let now = service.clock.now();
        let found = service
            .store
            .read(|at| key::find(at, &job.scope, &job.subject, now))
            .await?;
        let Some(key) = found.filter(Key::is_rotating) else {
            return Ok(Outcome::Done(json!({ "rotated": false })));
        };
        let (Some(rotation), Some(present)) = (key.rotation, &key.material) else {
            return Ok(Outcome::Done(json!({ "rotated": false })));
        };
        if rotation.next_at > now {
            return Ok(Outcome::Again(rotation.next_at));
        }
        let secret = generate::symmetric(&service.random)?;
        let place = (&key.scope, key.id.as_str());
        let wrapped = service.wrap(place, present.version + 1, secret).await?;
        let next = Rotation {
            days: rotation.days,
            next_at: days_after(now, rotation.days),
        };
        let lease = lease.clone();
        let rotating = service.store.write(move |tx| {
            lease.check(tx)?;
            rotate(tx, &key, &wrapped, next, now)?;
            Ok::<_, Error>(Outcome::Again(next.next_at))
        });
        rotating.await
    }
}

impl Key {
    /// Disabled keys and those that wait for their deletion keep their material.
    fn is_rotating(&self) -> bool {
        self.enabled && self.deletion_at.is_none() && self.rotation.is_some()
    }
}

/// Adds the material as the newest, unless the key has changed meanwhile.
fn rotate(
    tx: &Tx<'_>,
    key: &Key,
    wrapped: &Wrapped,
    next: Rotation,
    now: Timestamp,
) -> Result<(), StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    let name = &wrapped.name;
    let changed = tx.execute(
        "UPDATE kms_keys SET version = ?4, material_id = ?5, master = ?6, next_rotation_at = ?7
         WHERE account = ?1 AND region = ?2 AND id = ?3 AND deleted = 0 AND version = ?8
               AND rotation_days IS NOT NULL",
        &[
            account,
            region,
            id,
            Value::Integer(name.version),
            Value::from(&name.id),
            Value::from(&name.master),
            Value::Integer(next.next_at.as_millis()),
            Value::Integer(name.version - 1),
        ],
    )?;
    if changed > 0 {
        material::insert(tx, key, wrapped, now)?;
    }
    Ok(())
}
