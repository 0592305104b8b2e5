//! When images were last pulled: noted in memory, written in the background, and lost when the process ends before that.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ecru_model::{Digest, Timestamp};
use ecru_store::{Store, Tx, Value};
use tokio::sync::Notify;

use crate::Error;
use crate::images::Image;

/// A pull within this time of the one that is recorded changes nothing.
const RECORDED_AT_MOST_EVERY_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;
const NOTED_COUNT_MAX: usize = 10_000;
const ROWS_PER_BATCH: usize = 200;

#[derive(Default)]
pub(crate) struct PullTimes {
    noted: Mutex<BTreeMap<i64, Pull>>,
    wanted: Notify,
}

/// The digest tells an image from one that has got its id since.
struct Pull {
    digest: Digest,
    at: Timestamp,
}

impl PullTimes {
    pub(crate) fn note(&self, image: &Image, now: Timestamp) {
        let recorded = image.last_pulled_at.map_or(i64::MIN, Timestamp::as_millis);
        if recorded.saturating_add(RECORDED_AT_MOST_EVERY_MILLISECONDS) > now.as_millis() {
            return;
        }
        let mut noted = self.lock();
        if noted.len() < NOTED_COUNT_MAX || noted.contains_key(&image.id) {
            let (digest, at) = (image.digest, now);
            noted.insert(image.id, Pull { digest, at });
            self.wanted.notify_one();
        }
    }

    /// Waits until there is something to write.
    pub(crate) async fn noted(&self) {
        self.wanted.notified().await;
    }

    pub(crate) async fn write(&self, store: &Store) -> Result<(), Error> {
        loop {
            let batch = self.take();
            if batch.is_empty() {
                return Ok(());
            }
            store
                .write(move |tx| batch.iter().try_for_each(|(id, pull)| save(tx, *id, pull)))
                .await?;
        }
    }

    fn take(&self) -> Vec<(i64, Pull)> {
        let mut noted = self.lock();
        let first = || noted.pop_first();
        std::iter::from_fn(first).take(ROWS_PER_BATCH).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Pull>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn save(tx: &Tx<'_>, image_id: i64, pull: &Pull) -> Result<(), Error> {
    tx.execute(
        "UPDATE images SET last_pulled_at = ?3 WHERE id = ?1 AND digest = ?2",
        &[
            Value::Integer(image_id),
            Value::Blob(pull.digest.as_bytes()),
            Value::Integer(pull.at.as_millis()),
        ],
    )?;
    Ok(())
}
