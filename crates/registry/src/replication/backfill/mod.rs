//! Backfills: they copy the images from before the configuration to a destination, with a result for each image and tag.

mod describe_replication_backfill_results;
mod list_replication_backfills;
mod prepare;
mod removal;
mod run;
mod ship;
mod start_replication_backfill;
mod stop_replication_backfill;

use ecru_model::{
    ErrorCode, Region, RegistryId, ReplicationBackfillId, ReplicationBackfillProgress,
    ReplicationBackfillStatus, ReplicationDestination, Scope, Timestamp,
};
use ecru_platform::Page;
use ecru_platform::jobs::schedule;
use ecru_platform::paging::{Filling, Room};
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};

use crate::Error;

pub use describe_replication_backfill_results::describe_replication_backfill_results;
pub use list_replication_backfills::list_replication_backfills;
pub(crate) use removal::{forget, remove_old};
pub(crate) use run::ReplicationBackfill;
pub use start_replication_backfill::start_replication_backfill;
pub use stop_replication_backfill::stop_replication_backfill;

const KEPT_MILLISECONDS: i64 = 90 * 24 * 60 * 60 * 1_000;

/// A backfill as it is stored.
#[derive(Clone, Debug)]
struct Backfill {
    id: i64,
    uuid: String,
    source: Scope,
    destination: Scope,
    status: ReplicationBackfillStatus,
    failure_code: Option<String>,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Whether every image has a row.
    prepared: bool,
    cursor: Cursor,
    total: i64,
    completed: i64,
    failed: i64,
    failure_codes: Vec<String>,
}

/// The last image and tag with a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cursor {
    repository: String,
    image_id: i64,
    tag: String,
}

impl Backfill {
    fn from_row(row: &Row<'_>, source: &Scope) -> Result<Self, StoreError> {
        let codes = row.text(14)?;
        Ok(Self {
            id: row.integer(0)?,
            uuid: row.text(1)?.to_owned(),
            source: source.clone(),
            destination: Scope {
                registry_id: stored(RegistryId::parse(row.text(2)?))?,
                region: stored(Region::parse(row.text(3)?))?,
            },
            status: stored(ReplicationBackfillStatus::parse(row.text(4)?))?,
            failure_code: row.optional_text(5)?.map(str::to_owned),
            started_at: Timestamp::from_millis(row.integer(6)?),
            ended_at: row.optional_integer(7)?.map(Timestamp::from_millis),
            prepared: row.boolean(8)?,
            cursor: Cursor {
                repository: row.text(9)?.to_owned(),
                image_id: row.integer(10)?,
                tag: row.text(11)?.to_owned(),
            },
            total: row.integer(12)?,
            completed: row.integer(13)?,
            failed: row.integer(15)?,
            failure_codes: codes.lines().map(str::to_owned).collect(),
        })
    }

    fn text_bytes(&self) -> usize {
        self.failure_codes.iter().map(String::len).sum()
    }

    /// The number of replications that were tried, which is also the position of the last of them.
    fn tried(&self) -> i64 {
        self.completed.saturating_add(self.failed)
    }

    fn is_terminal(&self) -> bool {
        match self.status {
            ReplicationBackfillStatus::Preparing
            | ReplicationBackfillStatus::InProgress
            | ReplicationBackfillStatus::Stopping => false,
            ReplicationBackfillStatus::Complete
            | ReplicationBackfillStatus::Failed
            | ReplicationBackfillStatus::Stopped => true,
        }
    }

    fn public_id(&self) -> Result<ReplicationBackfillId, StoreError> {
        stored(ReplicationBackfillId::parse(self.uuid.as_str()))
    }

    fn destination(&self) -> ReplicationDestination {
        ReplicationDestination {
            region: self.destination.region.clone(),
            registry_id: self.destination.registry_id.clone(),
        }
    }

    /// None until the number of replications is known.
    fn progress(&self) -> Option<ReplicationBackfillProgress> {
        let count = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        self.prepared.then(|| ReplicationBackfillProgress {
            total_replication_count: count(self.total),
            completed_replication_count: count(self.completed),
            failed_replication_count: count(self.failed),
            failure_codes: self.failure_codes.clone(),
        })
    }
}

/// A backfill that is under way, or that ended recently enough to be kept.
fn load(
    at: &Snapshot<'_>,
    source: &Scope,
    id: &ReplicationBackfillId,
    now: Timestamp,
) -> Result<Backfill, Error> {
    let backfill = find(at, source, &id.as_str().to_ascii_lowercase())?;
    let kept = |backfill: &Backfill| {
        backfill
            .ended_at
            .is_none_or(|ended_at| ended_at > kept_since(now))
    };
    backfill.filter(kept).ok_or_else(|| not_found(source, id))
}

fn find(at: &Snapshot<'_>, source: &Scope, uuid: &str) -> Result<Option<Backfill>, StoreError> {
    at.find(
        "SELECT id, backfill_id, destination_account, destination_region, status, failure_code, started_at, ended_at,
                prepared, cursor_repository, cursor_image, cursor_tag, total, completed, failure_codes, failed
         FROM replication_backfills WHERE account = ?1 AND region = ?2 AND backfill_id = ?3 AND removed = 0",
        &[source.registry_id.as_str(), source.region.as_str(), uuid].map(Value::Text),
        |row| Backfill::from_row(row, source),
    )
}

/// The backfills before the id, newest first.
fn list(
    at: &Snapshot<'_>,
    source: &Scope,
    before: i64,
    now: Timestamp,
    room: &Room,
) -> Result<Page<Backfill, i64>, StoreError> {
    let mut filling = Filling::new(room);
    at.each(
        "SELECT id, backfill_id, destination_account, destination_region, status, failure_code, started_at, ended_at,
                prepared, cursor_repository, cursor_image, cursor_tag, total, completed, failure_codes, failed
         FROM replication_backfills WHERE account = ?1 AND region = ?2 AND id < ?3 AND removed = 0
             AND (ended_at IS NULL OR ended_at > ?4)
         ORDER BY id DESC LIMIT ?5",
        &[
            Value::Text(source.registry_id.as_str()),
            Value::Text(source.region.as_str()),
            Value::Integer(before),
            Value::Integer(kept_since(now).as_millis()),
            Value::Integer(i64::from(room.rows()) + 1),
        ],
        &mut |row| {
            let backfill = Backfill::from_row(row, source)?;
            Ok(filling.push(backfill.text_bytes(), backfill))
        },
    )?;
    Ok(filling.page_by(|last| last.id))
}

/// Backfills that ended at this time or earlier are forgotten.
fn kept_since(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(KEPT_MILLISECONDS))
}

fn set_status(
    tx: &Tx<'_>,
    backfill: &Backfill,
    status: ReplicationBackfillStatus,
    ended_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE replication_backfills SET status = ?2, ended_at = ?3 WHERE id = ?1",
        &[
            Value::Integer(backfill.id),
            Value::Text(status.as_str()),
            Value::from(ended_at.map(Timestamp::as_millis)),
        ],
    )?;
    Ok(())
}

fn schedule_run(tx: &Tx<'_>, source: &Scope, uuid: &str, now: Timestamp) -> Result<(), StoreError> {
    schedule::<ReplicationBackfill>(tx, source, &uuid.to_owned(), now)
}

fn not_found(source: &Scope, id: &ReplicationBackfillId) -> Error {
    Error::new(
        ErrorCode::ReplicationBackfillNotFoundException,
        format!(
            "The replication backfill with id '{id}' does not exist in the registry with id '{}'",
            source.registry_id
        ),
    )
}
