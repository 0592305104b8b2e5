//! Running what is due now, and reporting the results.

use std::sync::Arc;

use tokio::sync::broadcast::error::TryRecvError;

use super::next::{claim, waive_waiting};
use super::run::run;
use super::{Kind, Place, Ran, schedule_housekeeping};
use crate::{Error, Service};

/// A bound for work that always schedules more of itself at once.
const RUNS_MAX: usize = 10_000;

/// Runs everything that is due by the clock until nothing is left that may run, including failed jobs that
/// wait for another attempt. It also waits for the runs of the background loop, and reports them.
pub(crate) async fn run_due(service: &Arc<Service>, kinds: &'static [Kind]) -> Result<Vec<Ran>, Error> {
    let mut heard = service.runs.ended.subscribe();
    let mut taken = service.runs.taken.subscribe();
    let now = service.clock.now();
    service
        .store
        .write(move |tx| {
            schedule_housekeeping(tx)?;
            waive_waiting(tx, now)
        })
        .await?;

    let mut ended = Vec::new();
    for _ in 0..RUNS_MAX {
        let began = run_one(service, kinds).await?;
        if !began {
            // The background loop may be running the missing job, and that run may leave more to do.
            if *taken.borrow_and_update() == 0 && !run_one(service, kinds).await? {
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
async fn run_one(service: &Arc<Service>, kinds: &'static [Kind]) -> Result<bool, Error> {
    let Some(mut place) = Place::wait(service).await else {
        return Ok(false);
    };
    let Some(claimed) = claim(service, kinds, &mut place).await? else {
        return Ok(false);
    };
    // On its own task, a run survives the request that asked for it.
    let own = Arc::clone(service);
    let running = tokio::spawn(async move { run(&own, kinds, claimed, place).await });
    running
        .await
        .map_err(|panic| Error::server("background work panicked").caused_by(panic))??;
    Ok(true)
}
