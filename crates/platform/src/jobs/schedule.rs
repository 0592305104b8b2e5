//! Schedules a job in the transaction that makes it necessary.

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_store::{StoreError, Tx, Value, stored};

use super::{SCHEDULED, Subject, Work};

/// Earlier than every clock: `due` decides when a job may run.
const AT_ONCE: Timestamp = Timestamp::from_millis(i64::MIN);

/// A kind, scope and subject have one job: of two due times, by the clock that users see, the earlier one
/// wins. While a run is under way, this requests another run after it.
pub fn schedule<W: Work>(
    tx: &Tx<'_>,
    scope: &Scope,
    subject: &W::Subject,
    due: Timestamp,
) -> Result<(), StoreError> {
    schedule_named(tx, W::NAME, scope, subject, due)
}

/// For rooms below the room that does the work.
pub fn schedule_named(
    tx: &Tx<'_>,
    kind: &'static str,
    scope: &Scope,
    subject: &impl Subject,
    due: Timestamp,
) -> Result<(), StoreError> {
    save(tx, kind, scope, &subject.text(), due)
}

fn save(tx: &Tx<'_>, kind: &str, scope: &Scope, subject: &str, due: Timestamp) -> Result<(), StoreError> {
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
            Value::Text(kind),
            Value::Text(scope.registry_id.as_str()),
            Value::Text(scope.region.as_str()),
            Value::Text(subject),
            Value::Integer(due.as_millis()),
        ],
    )?;
    tx.announce(SCHEDULED);
    Ok(())
}

/// Schedules work that belongs to no account, due at once.
pub fn schedule_everywhere<W: Work<Subject = ()>>(tx: &Tx<'_>) -> Result<(), StoreError> {
    schedule_everywhere_named(tx, W::NAME)
}

/// Schedules each of these kinds, which belong to no account.
pub(super) fn schedule_standing(tx: &Tx<'_>, kinds: &[&'static str]) -> Result<(), StoreError> {
    kinds
        .iter()
        .try_for_each(|kind| schedule_everywhere_named(tx, kind))
}

/// As `schedule_everywhere`, for rooms below the room that does the work.
pub fn schedule_everywhere_named(tx: &Tx<'_>, kind: &'static str) -> Result<(), StoreError> {
    let nowhere = Scope {
        registry_id: stored(RegistryId::parse("000000000000"))?,
        region: Region::default(),
    };
    save(tx, kind, &nowhere, "", AT_ONCE)
}

/// Deletes the jobs of these kinds, of one account or of all accounts.
pub fn forget(tx: &Tx<'_>, account: Option<&str>, kinds: &[&'static str]) -> Result<(), StoreError> {
    for kind in kinds {
        tx.execute(
            "DELETE FROM jobs WHERE kind = ?1 AND (account = ?2 OR ?2 IS NULL)",
            &[Value::Text(kind), Value::from(account)],
        )?;
    }
    Ok(())
}
