//! The loop that runs jobs when they are due.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::next::{claim, idle_time};
use super::run::run as run_job;
use super::{Kind, Place, SCHEDULED, schedule_housekeeping};
use crate::{Error, Service};

/// The machine may sleep and its clock may be set, so no wait is longer than this.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Runs until the process ends. A failure is logged, and the work is retried after a while.
pub(crate) async fn run_in_background(service: &Arc<Service>, kinds: &'static [Kind]) {
    if let Err(error) = begin(service).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "background work could not begin"
        );
    }
    run_jobs(service, kinds).await;
}

/// One process owns the data, so a lease that is found at startup has no holder.
pub(super) async fn begin(service: &Service) -> Result<(), Error> {
    service
        .store
        .write(|tx| {
            tx.execute(
                "UPDATE jobs SET lease_owner = NULL, lease_until = NULL WHERE lease_owner IS NOT NULL",
                &[],
            )?;
            schedule_housekeeping(tx)?;
            Ok(())
        })
        .await
}

async fn run_jobs(service: &Arc<Service>, kinds: &'static [Kind]) {
    let mut scheduled = service.store.watch(SCHEDULED);
    let mut running = JoinSet::new();
    loop {
        scheduled.mark_unchanged();
        let wait = match begin_what_is_due(service, kinds, &mut running).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "background work cannot be read"
                );
                WAIT_MAX
            }
        };
        while running.try_join_next().is_some() {}
        tokio::select! {
            _ = scheduled.changed() => {}
            () = service.clock.moved() => {}
            () = service.runs.vacated.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Returns the time to wait afterwards.
async fn begin_what_is_due(
    service: &Arc<Service>,
    kinds: &'static [Kind],
    running: &mut JoinSet<()>,
) -> Result<Duration, Error> {
    while let Some(mut place) = Place::try_take(service) {
        let Some(claimed) = claim(service, kinds, &mut place).await? else {
            return Ok(idle_time(service)?.map_or(WAIT_MAX, |wait| wait.min(WAIT_MAX)));
        };
        let own = Arc::clone(service);
        running.spawn(async move {
            if let Err(error) = run_job(&own, kinds, claimed, place).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the result of background work could not be recorded"
                );
            }
        });
    }
    Ok(WAIT_MAX)
}
