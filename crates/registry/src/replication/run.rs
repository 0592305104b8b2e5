//! The job of one image and one destination: it copies what is needed, settles, and runs again after a refusal.

use std::sync::Arc;

use ecru_model::{ErrorCode, Timestamp};
use ecru_platform::jobs::{Job, Lease, Outcome, Subject as _, Work};
use serde_json::json;

use super::copy::bring_needs;
use super::settle::{Settled, find_pending, refuse, settle};
use super::{Shipment, record};
use crate::{Error, Service};

/// A refused replication is retried after a minute, then each time after twice as long, up to an hour, for
/// about a day. [unknown] whether ECR retries, but a policy that is put a little late should not require
/// another push.
const FIRST_PAUSE_MILLISECONDS: i64 = 60 * 1_000;
const PAUSE_MILLISECONDS_MAX: i64 = 60 * FIRST_PAUSE_MILLISECONDS;
const REFUSALS_MAX: i64 = 30;

/// The job that copies an image to another registry, or removes it there.
pub(crate) struct Replication;

impl Work for Replication {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = "replication";
    type Subject = Shipment;

    async fn run(service: &Arc<Service>, job: Job<Shipment>, lease: &Lease) -> Result<Outcome, Error> {
        let shipment = job.subject;
        match carry_out(service, &shipment, lease).await {
            Ok(outcome) => Ok(outcome),
            // An internal error is retried by the job itself, and is no failure of the replication.
            Err(error) if error.code == ErrorCode::ServerException => Err(error),
            Err(refusal) => record_refusal(service, shipment, lease, &refusal).await,
        }
    }
}

async fn carry_out(service: &Service, shipment: &Shipment, lease: &Lease) -> Result<Outcome, Error> {
    let mut sum = Settled::default();
    loop {
        if wants_image(service, shipment).await? {
            let needs = bring_needs(service, &shipment.route, &shipment.digest, lease).await;
            needs.map_err(|refusal| refusal.error)?;
        }
        let (own, held, store_rules) = (shipment.clone(), lease.clone(), service.store_rules());
        let settled = service
            .store
            .write(move |tx| {
                held.check(tx)?;
                settle(tx, &own, &store_rules)
            })
            .await?;
        sum.image |= settled.image;
        sum.tags += settled.tags;
        sum.removed += settled.removed;
        if !settled.more {
            let summary = json!({ "image": sum.image, "tags": sum.tags, "removed": sum.removed });
            return Ok(Outcome::Done(summary));
        }
    }
}

/// Whether the image must be copied before anything is settled.
async fn wants_image(service: &Service, shipment: &Shipment) -> Result<bool, Error> {
    service
        .store
        .read(|at| {
            let found = find_pending(at, shipment)?;
            Ok(found.is_some_and(|(_, pending)| pending.status.is_some() && pending.image.is_some()))
        })
        .await
}

async fn record_refusal(
    service: &Service,
    shipment: Shipment,
    lease: &Lease,
    refusal: &Error,
) -> Result<Outcome, Error> {
    tracing::warn!(
        error = refusal as &dyn std::error::Error,
        image = shipment.text(),
        "the destination refused a replication"
    );
    let (lease, at, code) = (lease.clone(), service.clock.moment(), failure_code(refusal));
    service
        .store
        .write(move |tx| {
            lease.check(tx)?;
            let Some((id, refusals)) = refuse(tx, &shipment, code, at)? else {
                return Ok(Outcome::Done(json!({})));
            };
            if refusals >= REFUSALS_MAX {
                record::abandon(tx, id)?;
                return Ok(Outcome::Done(json!({ "failureCode": code })));
            }
            let again = at.now.as_millis().saturating_add(pause_after(refusals));
            Ok(Outcome::Again(Timestamp::from_millis(again)))
        })
        .await
}

/// [unknown] ECR's failure codes; here the name of the error.
pub(super) fn failure_code(error: &Error) -> &'static str {
    error.code.name()
}

fn pause_after(refusals: i64) -> i64 {
    let doublings = u32::try_from(refusals.saturating_sub(1).clamp(0, 10)).unwrap_or(0);
    (FIRST_PAUSE_MILLISECONDS << doublings).min(PAUSE_MILLISECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_looked_at_again_for_about_a_day() {
        let pauses = [1, 2, 3, 6, 7, 8, 30].map(|refusals| pause_after(refusals) / FIRST_PAUSE_MILLISECONDS);
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60]);
        let hours = (1..REFUSALS_MAX).map(pause_after).sum::<i64>() / PAUSE_MILLISECONDS_MAX;
        assert_eq!(hours, 24);
    }
}
