//! Work that nobody waits for: recording pulls, and removing what deleted repositories held and abandoned uploads left.

use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Service, repositories};

const INTERVAL: Duration = Duration::from_mins(10);

/// Runs until the process ends. A failure is logged and the work tried again at the next turn.
pub async fn run(service: Arc<Service>) {
    loop {
        log_failure(run_once(&service).await);
        let turn = wait_for_turn(&service);
        let mut turn = std::pin::pin!(turn);
        loop {
            tokio::select! {
                () = &mut turn => break,
                // Pulls are many, so they bring about no more than their own recording.
                () = service.pull_times.noted() => log_failure(service.pull_times.write(&service.store).await),
            }
        }
    }
}

async fn wait_for_turn(service: &Service) {
    tokio::select! {
        () = service.removal_wanted.notified() => {}
        () = tokio::time::sleep(INTERVAL) => {}
    }
}

fn log_failure(outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::error!(error = &error as &dyn std::error::Error, "background work failed");
    }
}

/// Everything that can be done now.
pub async fn run_once(service: &Service) -> Result<(), Error> {
    service.pull_times.write(&service.store).await?;
    repositories::removal::run(&service.store).await?;
    let now = service.clock.machine_milliseconds();
    while service.store.uploads().expire(now).await? > 0 {}
    while service.store.collect(now).await?.blobs > 0 {}
    Ok(())
}
