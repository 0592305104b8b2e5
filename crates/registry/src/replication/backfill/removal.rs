//! Removes old backfills, and the backfills of accounts that were reset, a batch of rows at a time.

use ecru_model::Timestamp;
use ecru_platform::jobs::Lease;
use ecru_store::{Snapshot, StoreError, Tx, Value};

use super::kept_since;
use crate::{Error, Service};

const ROWS_PER_BATCH: i64 = 200;

/// Hides the backfills of one account, or of all, from every reader.
pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE replication_backfills SET removed = 1 WHERE removed = 0 AND (account = ?1 OR ?1 IS NULL)",
        &[Value::from(account)],
    )?;
    Ok(())
}

/// Returns the number of removed backfills.
pub(crate) async fn remove_old(service: &Service, lease: &Lease) -> Result<u64, Error> {
    let ended_before = kept_since(service.clock.now());
    let mut removed = 0;
    while let Some(id) = service.store.read(|at| find_old(at, ended_before)).await? {
        while remove_batch(service, lease, id).await? {}
        removed += 1;
    }
    Ok(removed)
}

fn find_old(at: &Snapshot<'_>, ended_before: Timestamp) -> Result<Option<i64>, Error> {
    let removed = at.find(
        "SELECT id FROM replication_backfills WHERE removed = 1 LIMIT 1",
        &[],
        |row| row.integer(0),
    )?;
    if removed.is_some() {
        return Ok(removed);
    }
    Ok(at.find(
        "SELECT id FROM replication_backfills WHERE ended_at IS NOT NULL AND ended_at <= ?1 LIMIT 1",
        &[Value::Integer(ended_before.as_millis())],
        |row| row.integer(0),
    )?)
}

/// Removes a batch. Returns whether rows remain.
async fn remove_batch(service: &Service, lease: &Lease, id: i64) -> Result<bool, Error> {
    let lease = lease.clone();
    service
        .store
        .write(move |tx| {
            lease.check(tx)?;
            let rows = tx.execute(
                "DELETE FROM replication_backfill_results WHERE backfill_id = ?1 AND position IN
                     (SELECT position FROM replication_backfill_results WHERE backfill_id = ?1 LIMIT ?2)",
                &[Value::Integer(id), Value::Integer(ROWS_PER_BATCH)],
            )?;
            if rows == 0 {
                tx.execute(
                    "DELETE FROM replication_backfills WHERE id = ?1",
                    &[Value::Integer(id)],
                )?;
            }
            Ok(rows > 0)
        })
        .await
}
