//! `StopReplicationBackfill`: stops a backfill before its next replication.

use ecru_model::{
    ErrorCode, ReplicationBackfillStatus, StopReplicationBackfillInput as Input,
    StopReplicationBackfillOutput as Output,
};

use super::{Backfill, load, schedule_run, set_status};
use crate::{Context, Error};

pub async fn stop_replication_backfill(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("StopReplicationBackfill", input.registry_id.as_ref());
    let id = input.replication_backfill_id;
    let now = ctx.clock.now();

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let source = &access.scope;
            let backfill = load(tx, source, &id, now)?;
            if backfill.is_terminal() {
                return Err(ended(&backfill));
            }
            // A replication may be under way, so the run of the backfill ends it.
            let (status, ended_at) = if backfill.prepared {
                (ReplicationBackfillStatus::Stopping, None)
            } else {
                (ReplicationBackfillStatus::Stopped, Some(now))
            };
            set_status(tx, &backfill, status, ended_at)?;
            schedule_run(tx, source, &backfill.uuid, now)?;
            Ok(Output {
                replication_backfill_id: Some(backfill.public_id()?),
                destination: Some(backfill.destination()),
                registry_id: Some(backfill.source.registry_id),
                status: Some(status),
                started_at: Some(backfill.started_at),
            })
        })
        .await
}

fn ended(backfill: &Backfill) -> Error {
    Error::new(
        ErrorCode::ReplicationBackfillInvalidStatusException,
        format!(
            "The replication backfill with id '{}' cannot be stopped because its status is {}",
            backfill.uuid, backfill.status
        ),
    )
}
