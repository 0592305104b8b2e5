//! Lists the jobs, for people and test helpers.

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_store::{Row, Store, StoreError, stored};

use crate::paging::{self, Extent, Filling, Page};

#[derive(Clone, Debug)]
pub struct WaitingJob {
    pub id: i64,
    pub kind: String,
    pub scope: Scope,
    pub subject: String,
    /// None for work that is due independently of the clock.
    pub due: Option<Timestamp>,
    pub running: bool,
    pub attempts: i64,
    pub last_error: Option<String>,
}

pub async fn list_jobs(store: &Store, extent: Extent) -> Result<Page<WaitingJob, i64>, StoreError> {
    paging::read_elsewhere(store, extent.limit, move |at, room| {
        let mut filling = Filling::new(room);
        at.each(
            "SELECT id, kind, account, region, subject, due, CASE WHEN lease_owner IS NULL THEN 0 ELSE 1 END, attempts, last_error
             FROM jobs WHERE id > ?1 ORDER BY id LIMIT ?2",
            &extent.values(),
            &mut |row| {
                let job = from_row(row)?;
                let bytes = job.subject.len() + job.last_error.as_ref().map_or(0, String::len);
                filling.put(job.id, bytes, || Ok(Some(job)))
            },
        )?;
        Ok(filling.page())
    })
    .await
}

fn from_row(row: &Row<'_>) -> Result<WaitingJob, StoreError> {
    let due = row.integer(5)?;
    Ok(WaitingJob {
        id: row.integer(0)?,
        kind: row.text(1)?.to_owned(),
        scope: Scope {
            registry_id: stored(RegistryId::parse(row.text(2)?))?,
            region: stored(Region::parse(row.text(3)?))?,
        },
        subject: row.text(4)?.to_owned(),
        due: (due != i64::MIN).then_some(Timestamp::from_millis(due)),
        running: row.boolean(6)?,
        attempts: row.integer(7)?,
        last_error: row.optional_text(8)?.map(str::to_owned),
    })
}
