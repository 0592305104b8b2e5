//! Removes the content of deleted repositories, a batch at a time, so that no push waits for it.

use std::sync::Arc;

use ecru_platform::jobs::{Job, Lease, Outcome, Work, schedule_everywhere_named};
use ecru_store::{Store, Tx, Value};
use serde_json::json;

use crate::subjects::{HOUSEKEEPING, REPOSITORY_REMOVAL};
use crate::{Error, Service};

const ROWS_PER_BATCH: i64 = 200;

/// Each statement removes at most a batch of rows; the order satisfies every foreign key.
const STEPS: [&str; 11] = [
    "DELETE FROM image_scan_findings WHERE (scan_id, generation, first_position) IN
         (SELECT f.scan_id, f.generation, f.first_position
          FROM image_scans s JOIN image_scan_findings f ON f.scan_id = s.id WHERE s.repository_id = ?1 LIMIT ?2)",
    "DELETE FROM image_scans WHERE repository_id = ?1
         AND id IN (SELECT id FROM image_scans WHERE repository_id = ?1 LIMIT ?2)",
    "DELETE FROM replication_tasks WHERE (replication_id, tag) IN
         (SELECT t.replication_id, t.tag FROM replications r JOIN replication_tasks t ON t.replication_id = r.id
          WHERE r.repository_id = ?1 LIMIT ?2)",
    "DELETE FROM replications WHERE repository_id = ?1
         AND id IN (SELECT id FROM replications WHERE repository_id = ?1 LIMIT ?2)",
    "DELETE FROM tags WHERE repository_id = ?1
         AND tag IN (SELECT tag FROM tags WHERE repository_id = ?1 LIMIT ?2)",
    "DELETE FROM cached_tags WHERE repository_id = ?1
         AND tag IN (SELECT tag FROM cached_tags WHERE repository_id = ?1 LIMIT ?2)",
    "DELETE FROM image_children WHERE repository_id = ?1
         AND (child_id, index_id) IN (SELECT child_id, index_id FROM image_children WHERE repository_id = ?1 LIMIT ?2)",
    "DELETE FROM images WHERE repository_id = ?1
         AND id IN (SELECT id FROM images WHERE repository_id = ?1 LIMIT ?2)",
    "DELETE FROM links WHERE repository_id = ?1
         AND blob_id IN (SELECT blob_id FROM links WHERE repository_id = ?1 LIMIT ?2)",
    "DELETE FROM resource_tags WHERE repository_id = ?1
         AND key IN (SELECT key FROM resource_tags WHERE repository_id = ?1 LIMIT ?2)",
    "DELETE FROM lifecycle_preview_results WHERE repository_id = ?1 AND position IN
         (SELECT position FROM lifecycle_preview_results WHERE repository_id = ?1 LIMIT ?2)",
];

/// Removes what a repository has at most one row of, the repository itself last.
const LAST_STEPS: [&str; 4] = [
    "DELETE FROM lifecycle_previews WHERE repository_id = ?1",
    "DELETE FROM lifecycle_policies WHERE repository_id = ?1",
    "DELETE FROM repository_counters WHERE repository_id = ?1",
    "DELETE FROM repositories WHERE id = ?1 AND deleted = 1",
];

/// The job that removes every repository that is marked as deleted, with all its content.
pub(crate) struct RepositoryRemoval;

impl Work for RepositoryRemoval {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = REPOSITORY_REMOVAL;
    type Subject = ();

    async fn run(service: &Arc<Service>, _job: Job<()>, lease: &Lease) -> Result<Outcome, Error> {
        run(service, lease).await
    }
}

async fn run(service: &Service, lease: &Lease) -> Result<Outcome, Error> {
    let store = &service.store;
    let mut removed = 0;
    while let Some(repository_id) = next_deleted(store).await? {
        store.uploads().abandon_all(repository_id).await?;
        while remove_batch(store, lease, repository_id).await? {}
        removed += 1;
    }
    let lease = lease.clone();
    store
        .write(move |tx| {
            lease.check(tx)?;
            // Blobs that only these repositories needed are then collected.
            schedule_everywhere_named(tx, HOUSEKEEPING).map_err(Error::from)
        })
        .await?;
    Ok(Outcome::Done(json!({ "repositories": removed })))
}

async fn next_deleted(store: &Store) -> Result<Option<i64>, Error> {
    store
        .read(|at| {
            Ok(at.find(
                "SELECT id FROM repositories WHERE deleted = 1 LIMIT 1",
                &[],
                |row| row.integer(0),
            )?)
        })
        .await
}

/// Whether anything is left to remove.
async fn remove_batch(store: &Store, lease: &Lease, repository_id: i64) -> Result<bool, Error> {
    let lease = lease.clone();
    store
        .write(move |tx| {
            lease.check(tx)?;
            remove_rows(tx, repository_id)
        })
        .await
}

fn remove_rows(tx: &Tx<'_>, repository_id: i64) -> Result<bool, Error> {
    for step in STEPS {
        let removed = tx.execute(
            step,
            &[Value::Integer(repository_id), Value::Integer(ROWS_PER_BATCH)],
        )?;
        if removed > 0 {
            return Ok(true);
        }
    }
    for step in LAST_STEPS {
        tx.execute(step, &[Value::Integer(repository_id)])?;
    }
    Ok(false)
}
