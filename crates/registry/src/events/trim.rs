//! Removes events that every sink has, and events that a sink has not accepted for too long.

use std::ops::ControlFlow;

use ecru_platform::jobs::Lease;
use ecru_store::{StoreError, Tx, Value};

use super::newest;
use crate::{Error, Service};

/// Machine time during which an event can be read back, even if every sink has it.
const KEPT_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// Beyond this number, events that every sink has are removed earlier.
const KEPT_MAX: i64 = 100_000;
/// Beyond this number, events are removed even if no sink has accepted them.
const WAITING_MAX: i64 = 1_000_000;
const ROWS_PER_BATCH: i64 = 200;

/// Returns the number of removed events.
pub(crate) async fn trim(service: &Service, lease: &Lease) -> Result<u64, Error> {
    let machine_now = service.clock.machine_milliseconds();
    let waits = i64::try_from(service.configuration.events_kept.as_millis()).unwrap_or(i64::MAX);
    let ages = Ages {
        readable_since: machine_now.saturating_sub(KEPT_MILLISECONDS),
        waiting_since: machine_now.saturating_sub(waits.max(KEPT_MILLISECONDS)),
    };
    let mut gone = 0;
    let mut lost = 0;
    loop {
        let lease = lease.clone();
        let removed = service
            .store
            .write(move |tx| {
                lease.check(tx)?;
                remove_oldest(tx, ages).map_err(Error::from)
            })
            .await?;
        gone += removed.rows;
        lost += removed.lost;
        // Events that became too old meanwhile wait for the next run, so that a stream of events cannot
        // prolong this one.
        if removed.rows < ROWS_PER_BATCH.unsigned_abs() {
            break;
        }
    }
    if lost > 0 {
        tracing::error!(
            lost,
            "events were dropped because a sink did not accept them in time"
        );
    }
    Ok(gone)
}

/// Times of the machine's clock.
#[derive(Clone, Copy)]
struct Ages {
    readable_since: i64,
    waiting_since: i64,
}

struct Removed {
    rows: u64,
    /// Removed events that some sink had not accepted.
    lost: u64,
}

/// Removes a batch of the oldest events, up to the first that must stay.
fn remove_oldest(tx: &Tx<'_>, ages: Ages) -> Result<Removed, StoreError> {
    let newest = newest(tx)?;
    let taken = taken_by_all(tx)?;
    let mut end = None;
    let mut lost = 0;
    let mut rows = 0;
    tx.each(
        "SELECT sequence, recorded_at FROM outbox ORDER BY sequence LIMIT ?1",
        &[Value::Integer(ROWS_PER_BATCH)],
        &mut |row| {
            let (sequence, recorded_at) = (row.integer(0)?, row.integer(1)?);
            let read_by_all = sequence <= taken
                && (recorded_at < ages.readable_since || sequence <= newest.saturating_sub(KEPT_MAX));
            let given_up = recorded_at < ages.waiting_since || sequence <= newest.saturating_sub(WAITING_MAX);
            if !read_by_all && !given_up {
                return Ok(ControlFlow::Break(()));
            }
            end = Some(sequence);
            rows += 1;
            lost += u64::from(sequence > taken);
            Ok(ControlFlow::Continue(()))
        },
    )?;
    if let Some(end) = end {
        raise_floor(tx, end)?;
        tx.execute("DELETE FROM outbox WHERE sequence <= ?1", &[Value::Integer(end)])?;
    }
    Ok(Removed { rows, lost })
}

/// The last event that every sink of the running server has accepted.
fn taken_by_all(tx: &Tx<'_>) -> Result<i64, StoreError> {
    let slowest = tx.find(
        "SELECT MIN(sequence) FROM sink_cursors WHERE active = 1",
        &[],
        |row| row.optional_integer(0),
    )?;
    Ok(slowest.flatten().unwrap_or(i64::MAX))
}

/// Records that events existed up to this one.
fn raise_floor(tx: &Tx<'_>, sequence: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO outbox_floor (id, sequence) VALUES (1, ?1)
         ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence
             WHERE excluded.sequence > outbox_floor.sequence",
        &[Value::Integer(sequence)],
    )?;
    Ok(())
}

/// Hides the events of one account, or of all, from readers and sinks.
pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    raise_floor(tx, newest(tx)?)?;
    match account {
        Some(account) => tx.execute("DELETE FROM outbox WHERE account = ?1", &[Value::Text(account)])?,
        None => tx.execute("DELETE FROM outbox", &[])?,
    };
    Ok(())
}
