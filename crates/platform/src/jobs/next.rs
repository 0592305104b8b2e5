//! Which job runs next, and when.

use std::time::Duration;

use ecru_model::Timestamp;
use ecru_store::{Snapshot, StoreError, Tx, Value};

use super::lease::{Lease, lease_until};
use super::runs::{FullKinds, RunningKind};
use super::{JobRow, Place, Runner};
use crate::ServiceError;
use crate::clock::Moment;

/// Takes the lease of the job that has been due the longest, if any may run, and counts its kind in the place.
pub(super) async fn claim(
    runner: &Runner,
    place: &mut Place,
) -> Result<Option<(JobRow, Lease)>, ServiceError> {
    let platform = &runner.platform;
    let _choosing = runner.runs.choosing.lock().await;
    let full = runner.runs.full_kinds();
    let moment = platform.clock.moment();
    if platform
        .store
        .read(|at| first_due(at, moment, &full))
        .await?
        .is_none()
    {
        return Ok(None);
    }
    let owner = platform.random.uuid()?.to_string();
    let taken_by = owner.clone();
    let taken = platform
        .store
        .write(move |tx| match first_due(tx, moment, &full)? {
            Some(id) => take(tx, id, &taken_by, moment),
            None => Ok(None),
        })
        .await?;
    Ok(taken.map(|job| {
        let known = runner.kind(&job.kind);
        place.hold_for(RunningKind {
            name: job.kind.clone(),
            running_max: known.map_or(1, |kind| kind.running_max),
        });
        let lease = Lease::of(&job, owner, platform.clock.clone());
        (job, lease)
    }))
}

fn first_due(at: &Snapshot<'_>, moment: Moment, full: &FullKinds) -> Result<Option<i64>, StoreError> {
    let [first, second, third] = full.each_ref().map(|kind| Value::Text(kind));
    let (now, machine_now) = (moment.now.as_millis(), moment.machine_now);
    at.find(
        "SELECT id FROM jobs WHERE due <= ?1 AND not_before <= ?2 AND (lease_until IS NULL OR lease_until <= ?2)
             AND kind NOT IN (?3, ?4, ?5)
         ORDER BY due, id LIMIT 1",
        &[
            Value::Integer(now),
            Value::Integer(machine_now),
            first,
            second,
            third,
        ],
        |row| row.integer(0),
    )
}

/// If the job is due to run again at a time that has come, this run covers that too.
fn take(tx: &Tx<'_>, id: i64, owner: &str, moment: Moment) -> Result<Option<JobRow>, StoreError> {
    tx.returning(
        "UPDATE jobs SET lease_owner = ?2, lease_until = ?3, attempts = attempts + 1,
             again_due = CASE WHEN again_due <= ?4 THEN NULL ELSE again_due END
         WHERE id = ?1 RETURNING id, kind, account, region, subject, attempts",
        &[
            Value::Integer(id),
            Value::Text(owner),
            Value::Integer(lease_until(moment.machine_now)),
            Value::Integer(moment.now.as_millis()),
        ],
        JobRow::from_row,
    )
}

/// The time until a job may run, if nothing new is scheduled and the clock is not changed. A job that waits
/// for a run of its own kind begins when that run ends.
pub(super) async fn idle_time(runner: &Runner) -> Result<Option<Duration>, StoreError> {
    let platform = &runner.platform;
    let moment = platform.clock.moment();
    let full = runner.runs.full_kinds();
    let [first, second, third] = full.each_ref().map(|kind| Value::Text(kind));
    let by_machine = platform
        .store
        .read(|at| {
            at.find(
                "SELECT MIN(CASE WHEN lease_until > not_before THEN lease_until ELSE not_before END)
             FROM jobs WHERE due <= ?1 AND kind NOT IN (?2, ?3, ?4)",
                &[Value::Integer(moment.now.as_millis()), first, second, third],
                |row| row.optional_integer(0),
            )
        })
        .await?;
    let by_clock = platform
        .store
        .read(|at| {
            at.find(
                "SELECT MIN(due) FROM jobs WHERE due > ?1",
                &[Value::Integer(moment.now.as_millis())],
                |row| row.optional_integer(0),
            )
        })
        .await?;
    let until_machine = by_machine
        .flatten()
        .map(|at| at.saturating_sub(moment.machine_now));
    let until_clock = by_clock
        .flatten()
        .filter(|_| platform.clock.frozen_at().is_none())
        .map(|at| at.saturating_sub(moment.now.as_millis()));
    let earliest = [until_machine, until_clock].into_iter().flatten().min();
    Ok(earliest.map(|milliseconds| Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))))
}

/// Makes every due job ready to run, even if it waits for a retry.
pub(super) fn waive_waiting(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE jobs SET not_before = 0 WHERE due <= ?1 AND not_before > 0",
        &[Value::Integer(now.as_millis())],
    )?;
    Ok(())
}
