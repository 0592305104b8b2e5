//! Putting a job on the list, in the transaction that makes it necessary.

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_store::{StoreError, Tx, Value};

use super::{Kind, SCHEDULED};
use crate::repositories::stored;

/// Since `due` decides when a job may run, this is before every clock.
const AT_ONCE: Timestamp = Timestamp::from_millis(i64::MIN);

pub struct NewJob<'a> {
    pub kind: Kind,
    pub scope: &'a Scope,
    /// What the kind of work is to be done with, such as the name of a repository; empty for the whole registry.
    pub subject: &'a str,
    /// By the clock that users see.
    pub due: Timestamp,
}

/// There is one job for a kind, scope and subject: of two dues the earlier wins. While a run is under way, this asks for
/// another one after it.
pub fn schedule(tx: &Tx<'_>, job: &NewJob<'_>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO jobs (kind, account, region, subject, due) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (kind, account, region, subject) DO UPDATE SET
             -- A pause that no failure has caused ends here.
             not_before = CASE WHEN jobs.attempts = 0 THEN 0 ELSE jobs.not_before END,
             due = CASE WHEN jobs.lease_owner IS NULL AND excluded.due < jobs.due THEN excluded.due ELSE jobs.due END,
             again_due = CASE WHEN jobs.lease_owner IS NULL THEN jobs.again_due
                              WHEN jobs.again_due < excluded.due THEN jobs.again_due
                              ELSE excluded.due END",
        &[
            Value::Text(job.kind.as_str()),
            Value::Text(job.scope.registry_id.as_str()),
            Value::Text(job.scope.region.as_str()),
            Value::Text(job.subject),
            Value::Integer(job.due.as_millis()),
        ],
    )?;
    tx.announce(SCHEDULED);
    Ok(())
}

/// Schedules work that belongs to no registry, to be done at once.
pub(crate) fn schedule_everywhere(tx: &Tx<'_>, kind: Kind) -> Result<(), StoreError> {
    let nowhere = Scope {
        registry_id: stored(RegistryId::parse("000000000000"))?,
        region: stored(Region::parse("us-east-1"))?,
    };
    let job = NewJob {
        kind,
        scope: &nowhere,
        subject: "",
        due: AT_ONCE,
    };
    schedule(tx, &job)
}

/// Takes away the jobs of an account, or of all; what belongs to no registry stays.
pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM jobs WHERE (?1 IS NULL OR account = ?1) AND kind NOT IN (?2, ?3)",
        &[
            Value::from(account),
            Value::Text(Kind::RepositoryRemoval.as_str()),
            Value::Text(Kind::Housekeeping.as_str()),
        ],
    )?;
    Ok(())
}
