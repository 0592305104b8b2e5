//! The job of a backfill: it does a few steps at a time, so that other work gets its turn.

use std::sync::Arc;

use ecru_model::ReplicationBackfillStatus;
use ecru_platform::jobs::{Job, Lease, Outcome, Work};
use ecru_store::Value;
use serde_json::json;

use super::prepare::prepare;
use super::ship::ship_next;
use super::{Backfill, find, set_status};
use crate::replication::configuration;
use crate::{Error, Service};

const STEPS_PER_RUN: usize = 100;
/// [unknown] ECR's failure codes for a whole backfill.
const NOT_CONFIGURED: &str = "DestinationNotConfigured";

/// The job that copies the images from before the configuration to another registry.
pub(crate) struct ReplicationBackfill;

impl Work for ReplicationBackfill {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = "replication-backfill";
    /// The UUID of the backfill.
    type Subject = String;

    async fn run(service: &Arc<Service>, job: Job<String>, lease: &Lease) -> Result<Outcome, Error> {
        run(service, &job, lease).await
    }
}

async fn run(service: &Arc<Service>, job: &Job<String>, lease: &Lease) -> Result<Outcome, Error> {
    for _ in 0..STEPS_PER_RUN {
        let Some(backfill) = service
            .store
            .read(|at| find(at, &job.scope, &job.subject))
            .await?
        else {
            return Ok(Outcome::Done(json!({})));
        };
        if backfill.is_terminal() {
            return Ok(Outcome::Done(json!({
                "status": backfill.status.as_str(),
                "completed": backfill.completed,
                "failed": backfill.failed,
            })));
        }
        step(service, &backfill, lease).await?;
    }
    Ok(Outcome::Again(service.clock.now()))
}

async fn step(service: &Arc<Service>, backfill: &Backfill, lease: &Lease) -> Result<(), Error> {
    let configured = service
        .store
        .read(|at| configuration::names(at, &backfill.source, &backfill.destination))
        .await?;
    match backfill.status {
        ReplicationBackfillStatus::Stopping => {
            end(service, backfill, lease, ReplicationBackfillStatus::Stopped, None).await
        }
        _ if !configured => {
            let failed = ReplicationBackfillStatus::Failed;
            end(service, backfill, lease, failed, Some(NOT_CONFIGURED)).await
        }
        ReplicationBackfillStatus::Preparing => prepare(service, backfill, lease).await,
        _ if backfill.tried() < backfill.total => ship_next(service, backfill, lease).await,
        // Each result reports its own failure; the backfill as a whole is complete.
        _ => {
            end(
                service,
                backfill,
                lease,
                ReplicationBackfillStatus::Complete,
                None,
            )
            .await
        }
    }
}

async fn end(
    service: &Service,
    backfill: &Backfill,
    lease: &Lease,
    status: ReplicationBackfillStatus,
    failure_code: Option<&'static str>,
) -> Result<(), Error> {
    let (before, lease, now) = (backfill.clone(), lease.clone(), service.clock.now());
    service
        .store
        .write(move |tx| {
            lease.check(tx)?;
            // A late request to stop has nothing left to stop.
            let Some(backfill) = find(tx, &before.source, &before.uuid)? else {
                return Ok(());
            };
            if backfill.is_terminal() {
                return Ok(());
            }
            set_status(tx, &backfill, status, Some(now))?;
            tx.execute(
                "UPDATE replication_backfills SET failure_code = ?2 WHERE id = ?1",
                &[Value::Integer(backfill.id), Value::from(failure_code)],
            )?;
            Ok(())
        })
        .await
}
