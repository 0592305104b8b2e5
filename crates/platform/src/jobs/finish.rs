//! The end of a run: its result decides whether and when its job runs again.

use std::time::Duration;

use ecru_store::{StoreError, Tx, Value};

use super::lease::Lease;
use super::{Ended, JobRow, Outcome, Ran, SCHEDULED};
use crate::Platform;
use crate::ServiceError;

const FIRST_PAUSE_MILLISECONDS: i64 = 1_000;
const PAUSE_MILLISECONDS_MAX: i64 = 60 * 60 * 1_000;

/// Records the result of a run, unless another run has taken over.
pub(super) async fn finish(
    platform: &Platform,
    row: &JobRow,
    lease: Lease,
    result: Result<Outcome, ServiceError>,
) -> Result<Ran, StoreError> {
    let job = &row.job;
    let machine_now = platform.clock.machine_milliseconds();
    let next = match &result {
        Ok(Outcome::Done(_)) => Next::Gone,
        Ok(Outcome::Again(at)) => Next::At(at.as_millis()),
        Ok(Outcome::Later(_, pause)) => Next::Later(machine_now.saturating_add(milliseconds(*pause))),
        Err(error) => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                kind = row.kind,
                subject = job.subject,
                attempt = job.attempts,
                "background work failed"
            );
            Next::Retry(
                machine_now.saturating_add(pause_after(job.attempts)),
                error.message.clone(),
            )
        }
    };
    let kept = platform.store.write(move |tx| next.save(tx, &lease)).await?;

    let ended = match result {
        _ if !kept => Ended::Superseded,
        Ok(Outcome::Done(summary) | Outcome::Later(summary, _)) => Ended::Done(summary),
        Ok(Outcome::Again(at)) => Ended::Again(at),
        Err(error) => Ended::Failed(error.message),
    };
    Ok(Ran {
        kind: row.kind.clone(),
        scope: job.scope.clone(),
        subject: job.subject.clone(),
        ended,
    })
}

enum Next {
    Gone,
    At(i64),
    /// In machine time.
    Later(i64),
    Retry(i64, String),
}

impl Next {
    /// Whether this run still held the lease.
    fn save(&self, tx: &Tx<'_>, lease: &Lease) -> Result<bool, StoreError> {
        tx.announce(SCHEDULED);
        let [id, owner] = lease.key();
        let changed = match self {
            Self::Gone => gone(tx, lease)?,
            Self::At(due) => tx.execute(
                "UPDATE jobs SET due = CASE WHEN again_due < ?3 THEN again_due ELSE ?3 END, again_due = NULL,
                     attempts = 0, lease_owner = NULL, lease_until = NULL, last_error = NULL
                 WHERE id = ?1 AND lease_owner = ?2",
                &[id, owner, Value::Integer(*due)],
            )?,
            Self::Later(not_before) => tx.execute(
                "UPDATE jobs SET not_before = CASE WHEN again_due IS NULL THEN CAST(?3 AS BIGINT) ELSE 0 END, again_due = NULL,
                     attempts = 0, lease_owner = NULL, lease_until = NULL, last_error = NULL
                 WHERE id = ?1 AND lease_owner = ?2",
                &[id, owner, Value::Integer(*not_before)],
            )?,
            Self::Retry(not_before, problem) => tx.execute(
                "UPDATE jobs SET not_before = ?3, last_error = ?4, lease_owner = NULL, lease_until = NULL
                 WHERE id = ?1 AND lease_owner = ?2",
                &[id, owner, Value::Integer(*not_before), Value::Text(problem)],
            )?,
        };
        Ok(changed > 0)
    }
}

/// Removes the job, unless it was scheduled again while it ran.
fn gone(tx: &Tx<'_>, lease: &Lease) -> Result<u64, StoreError> {
    let removed = tx.execute(
        "DELETE FROM jobs WHERE id = ?1 AND lease_owner = ?2 AND again_due IS NULL",
        &lease.key(),
    )?;
    if removed > 0 {
        return Ok(removed);
    }
    tx.execute(
        "UPDATE jobs SET due = again_due, again_due = NULL, not_before = 0, attempts = 0, lease_owner = NULL,
             lease_until = NULL, last_error = NULL
         WHERE id = ?1 AND lease_owner = ?2",
        &lease.key(),
    )
}

/// Doubles with every attempt, up to an hour.
fn pause_after(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    (FIRST_PAUSE_MILLISECONDS << doublings).min(PAUSE_MILLISECONDS_MAX)
}

fn milliseconds(pause: Duration) -> i64 {
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses = [1, 2, 3, 12, 13, 1_000_000].map(pause_after);
        assert_eq!(pauses, [1_000, 2_000, 4_000, 2_048_000, 3_600_000, 3_600_000]);
    }
}
