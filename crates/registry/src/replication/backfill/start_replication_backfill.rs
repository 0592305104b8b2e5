//! `StartReplicationBackfill`: starts to copy all images that are replicated to a destination.

use ecru_model::{
    ErrorCode, ReplicationBackfillStatus, Scope, StartReplicationBackfillInput as Input,
    StartReplicationBackfillOutput as Output, Timestamp,
};
use ecru_store::{Snapshot, StoreError, Tx, Value};

use super::{Backfill, find, schedule_run};
use crate::replication::configuration;
use crate::{Context, Error};

const UNDER_WAY_MAX: usize = 10;
/// The maximum for a registry; beyond it, the oldest backfills are forgotten early.
const KEPT_COUNT_MAX: i64 = 1_000;

pub async fn start_replication_backfill(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("StartReplicationBackfill", input.registry_id.as_ref());
    let destination = Scope {
        registry_id: input.destination.registry_id,
        region: input.destination.region,
    };
    let uuid = ctx.random.uuid()?.to_string();
    let now = ctx.clock.now();

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let source = &access.scope;
            if !configuration::names(tx, source, &destination)? {
                return Err(not_configured());
            }
            check_under_way(tx, source, &destination)?;
            insert(tx, source, &destination, &uuid, now)?;
            forget_oldest(tx, source)?;
            schedule_run(tx, source, &uuid, now)?;
            let begun = find(tx, source, &uuid)?;
            describe(&begun.ok_or_else(|| StoreError::damaged("a new backfill has no row"))?)
        })
        .await
}

fn describe(backfill: &Backfill) -> Result<Output, Error> {
    Ok(Output {
        replication_backfill_id: Some(backfill.public_id()?),
        registry_id: Some(backfill.source.registry_id.clone()),
        destination: Some(backfill.destination()),
        status: Some(backfill.status),
        started_at: Some(backfill.started_at),
    })
}

fn check_under_way(at: &Snapshot<'_>, source: &Scope, destination: &Scope) -> Result<(), Error> {
    let regions = at.query(
        "SELECT destination_region FROM replication_backfills
         WHERE account = ?1 AND region = ?2 AND ended_at IS NULL AND removed = 0",
        &[source.registry_id.as_str(), source.region.as_str()].map(Value::Text),
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    if regions.iter().any(|region| region == destination.region.as_str()) {
        return Err(Error::new(
            ErrorCode::ReplicationBackfillInProgressException,
            format!(
                "A replication backfill to the region '{}' is already in progress in the registry with id '{}'",
                destination.region, source.registry_id
            ),
        ));
    }
    if regions.len() >= UNDER_WAY_MAX {
        return Err(Error::new(
            ErrorCode::LimitExceededException,
            format!(
                "The registry with id '{}' already has the maximum allowed number of replication backfills in progress \
                 which is '{UNDER_WAY_MAX}'",
                source.registry_id
            ),
        ));
    }
    Ok(())
}

fn insert(
    tx: &Tx<'_>,
    source: &Scope,
    destination: &Scope,
    uuid: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO replication_backfills
             (backfill_id, account, region, destination_account, destination_region, status, started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            Value::Text(uuid),
            Value::Text(source.registry_id.as_str()),
            Value::Text(source.region.as_str()),
            Value::Text(destination.registry_id.as_str()),
            Value::Text(destination.region.as_str()),
            Value::Text(ReplicationBackfillStatus::Preparing.as_str()),
            Value::Integer(now.as_millis()),
        ],
    )?;
    Ok(())
}

fn forget_oldest(tx: &Tx<'_>, source: &Scope) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE replication_backfills SET removed = 1 WHERE id IN
             (SELECT id FROM replication_backfills WHERE account = ?1 AND region = ?2 AND removed = 0
              ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        &[
            Value::Text(source.registry_id.as_str()),
            Value::Text(source.region.as_str()),
            Value::Integer(KEPT_COUNT_MAX),
        ],
    )?;
    Ok(())
}

/// [unknown] ECR's wording.
fn not_configured() -> Error {
    Error::parameter(
        "destination",
        "Replication destination must be configured in the replication configuration of the registry",
    )
}
