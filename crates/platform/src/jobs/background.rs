//! The loop that runs jobs when they are due.

use std::sync::Arc;
use std::time::Duration;

use ecru_store::StoreError;

use tokio::task::JoinSet;

use super::next::{claim, idle_time};
use super::run::run as run_job;
use super::schedule::schedule_standing;
use super::{Place, Runner, SCHEDULED};
use crate::ServiceError;

/// The machine may sleep and its clock may be set, so no wait is longer than this.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Runs until the process ends. A failure is logged, and the work is retried after a while.
pub async fn run_in_background(runner: Arc<Runner>) {
    if let Err(error) = begin(&runner).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "background work could not begin"
        );
    }
    run_jobs(&runner).await;
}

/// One process owns the data, so a lease that is found at startup has no holder.
pub(super) async fn begin(runner: &Runner) -> Result<(), StoreError> {
    let standing = runner.standing();
    let store = &runner.platform.store;
    store
        .write(move |tx| {
            tx.execute(
                "UPDATE jobs SET lease_owner = NULL, lease_until = NULL WHERE lease_owner IS NOT NULL",
                &[],
            )?;
            schedule_standing(tx, &standing)
        })
        .await
}

async fn run_jobs(runner: &Arc<Runner>) {
    let platform = &runner.platform;
    let mut scheduled = platform.store.watch(SCHEDULED);
    let mut running = JoinSet::new();
    loop {
        scheduled.mark_unchanged();
        let wait = match begin_what_is_due(runner, &mut running).await {
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
            () = platform.clock.moved() => {}
            () = runner.runs.vacated.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Returns the time to wait afterwards.
async fn begin_what_is_due(
    runner: &Arc<Runner>,
    running: &mut JoinSet<()>,
) -> Result<Duration, ServiceError> {
    while let Some(mut place) = Place::try_take(runner) {
        let Some(claimed) = claim(runner, &mut place).await? else {
            return Ok(idle_time(runner)
                .await?
                .map_or(WAIT_MAX, |wait| wait.min(WAIT_MAX)));
        };
        let own = Arc::clone(runner);
        running.spawn(async move {
            if let Err(error) = run_job(&own, claimed, place).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the result of background work could not be recorded"
                );
            }
        });
    }
    Ok(WAIT_MAX)
}
