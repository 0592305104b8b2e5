//! Letting events go: those that every sink has, and those that a sink has left waiting for too long.

use std::ops::ControlFlow;

use ecru_store::{StoreError, Tx, Value};

use super::newest;
use crate::jobs::Lease;
use crate::{Error, Service};

/// Machine time during which an event can be read back, whoever has it already.
const KEPT_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// Of the events that every sink has, older ones go sooner.
const KEPT_MAX: i64 = 100_000;
/// Beyond these, events go that no sink has taken.
const WAITING_MAX: i64 = 1_000_000;
const ROWS_PER_BATCH: i64 = 200;

/// How many have gone.
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
        // What has become too old meanwhile is for the next time: events that keep coming must not keep this going.
        if removed.rows < ROWS_PER_BATCH.unsigned_abs() {
            break;
        }
    }
    if lost > 0 {
        tracing::error!(lost, "events were dropped that a sink has not taken for too long");
    }
    Ok(gone)
}

/// Moments of machine time.
#[derive(Clone, Copy)]
struct Ages {
    readable_since: i64,
    waiting_since: i64,
}

struct Removed {
    rows: u64,
    /// Those that some sink had not taken.
    lost: u64,
}

/// Removes a batch from the oldest end, up to the first that has to stay.
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

/// The last event that every sink of the running server has taken.
fn taken_by_all(tx: &Tx<'_>) -> Result<i64, StoreError> {
    let slowest = tx.find(
        "SELECT MIN(sequence) FROM sink_cursors WHERE active = 1",
        &[],
        |row| row.optional_integer(0),
    )?;
    Ok(slowest.flatten().unwrap_or(i64::MAX))
}

/// Remembers that there were events up to this one.
fn raise_floor(tx: &Tx<'_>, sequence: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO outbox_floor (id, sequence) VALUES (1, ?1)
         ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence
             WHERE excluded.sequence > outbox_floor.sequence",
        &[Value::Integer(sequence)],
    )?;
    Ok(())
}

/// Takes away the events of an account, or of all, from readers and sinks alike.
pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    raise_floor(tx, newest(tx)?)?;
    match account {
        Some(account) => tx.execute("DELETE FROM outbox WHERE account = ?1", &[Value::Text(account)])?,
        None => tx.execute("DELETE FROM outbox", &[])?,
    };
    Ok(())
}
