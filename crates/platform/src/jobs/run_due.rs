//! Running what is due now, and reporting the results.

use std::sync::Arc;

use tokio::sync::broadcast::error::TryRecvError;

use super::next::{claim, waive_waiting};
use super::run::run;
use super::schedule::schedule_standing;
use super::{Place, Ran, Runner};
use crate::ServiceError;

/// A bound for work that always schedules more of itself at once.
const RUNS_MAX: usize = 10_000;

/// Runs everything that is due by the clock until nothing is left that may run, including failed jobs that
/// wait for another attempt. It also waits for the runs of the background loop, and reports them.
pub async fn run_due(runner: &Arc<Runner>) -> Result<Vec<Ran>, ServiceError> {
    let mut heard = runner.runs.ended.subscribe();
    let mut taken = runner.runs.taken.subscribe();
    let now = runner.platform.clock.now();
    let standing = runner.standing();
    let store = &runner.platform.store;
    store
        .write(move |tx| {
            schedule_standing(tx, &standing)?;
            waive_waiting(tx, now)
        })
        .await?;

    let mut ended = Vec::new();
    for _ in 0..RUNS_MAX {
        let began = run_one(runner).await?;
        if !began {
            // The background loop may be running the missing job, and that run may leave more to do.
            if *taken.borrow_and_update() == 0 && !run_one(runner).await? {
                break;
            }
            let _ = taken.wait_for(|taken| *taken == 0).await;
        }
        loop {
            match heard.try_recv() {
                Ok(ran) => ended.push(ran),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
    }
    Ok(ended)
}

/// Whether a job was run.
async fn run_one(runner: &Arc<Runner>) -> Result<bool, ServiceError> {
    let Some(mut place) = Place::wait(runner).await else {
        return Ok(false);
    };
    let Some(claimed) = claim(runner, &mut place).await? else {
        return Ok(false);
    };
    // On its own task, a run survives the request that asked for it.
    let own = Arc::clone(runner);
    let running = tokio::spawn(async move { run(&own, claimed, place).await });
    running
        .await
        .map_err(|panic| ServiceError::internal("background work panicked").caused_by(panic))??;
    Ok(true)
}
