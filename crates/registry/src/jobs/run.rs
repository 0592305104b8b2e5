//! One run of one job, from its lease to its result.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};

use super::finish::finish;
use super::lease::{Lease, RENEWAL};
use super::{Job, Kind, Outcome, Place, Ran};
use crate::{
    Error, Service, housekeeping, images, lifecycle, pull_through_cache, replication, repositories, scanning,
};

/// The one place that knows what does the work of a kind.
async fn work(service: &Arc<Service>, job: &Job, lease: &Lease) -> Result<Outcome, Error> {
    match job.kind {
        Kind::RepositoryRemoval => repositories::removal::run(service, lease).await,
        Kind::Housekeeping => housekeeping::run(service, lease).await,
        Kind::Replication => replication::run::run(service, job, lease).await,
        Kind::ReplicationBackfill => replication::backfill::run(service, job, lease).await,
        Kind::Lifecycle => lifecycle::apply(service, job, lease).await,
        Kind::LifecyclePreview => lifecycle::preview(service, job, lease).await,
        Kind::Activation => images::activate(service, job, lease).await,
        Kind::Referrers => images::follow(service, job, lease).await,
        Kind::ImageScan => scanning::run::run(service, job, lease).await,
        Kind::ScanSweep => scanning::sweep::run(service, job, lease).await,
        Kind::CacheImport => pull_through_cache::run_import(service, job, lease).await,
    }
}

/// Runs a job in one of the places there are, and says what it came to.
pub(super) async fn run(service: &Arc<Service>, job: Job, lease: Lease, place: Place) -> Result<Ran, Error> {
    // A panic ends this run only.
    let mut running = tokio::task::JoinSet::new();
    let (at_work, of, under) = (Arc::clone(service), job.clone(), lease.clone());
    running.spawn(async move { work(&at_work, &of, &under).await });

    let mut renewal = interval(RENEWAL);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewal.tick().await;
    let result = loop {
        tokio::select! {
            ended = running.join_next() => break match ended {
                Some(Ok(result)) => result,
                Some(Err(panic)) => Err(Error::server("background work panicked").caused_by(panic)),
                None => Err(Error::server("background work did not begin")),
            },
            _ = renewal.tick() => {
                let renewed = lease.clone();
                // Without its lease the run fails at its next commit.
                let _ = service.store.write(move |tx| renewed.renew(tx)).await;
            }
        }
    };

    let ran = finish(service, &job, lease, result).await;
    if let Ok(ran) = &ran {
        // Nobody may be listening.
        let _ = service.runs.ended.send(ran.clone());
    }
    drop(place);
    service.runs.vacated.notify_one();
    ran
}
