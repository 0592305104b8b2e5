//! Work that nobody waits for: removing what deleted repositories held, and what abandoned uploads left.

use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Service, repositories};

const INTERVAL: Duration = Duration::from_mins(10);

/// Runs until the process ends. A failure is logged and the work tried again at the next turn.
pub async fn run(service: Arc<Service>) {
    loop {
        if let Err(error) = run_once(&service).await {
            tracing::error!(error = &error as &dyn std::error::Error, "background work failed");
        }
        tokio::select! {
            () = service.removal_wanted.notified() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Everything that can be done now.
pub async fn run_once(service: &Service) -> Result<(), Error> {
    repositories::removal::run(&service.store).await?;
    let now = service.clock.machine_milliseconds();
    while service.store.uploads().expire(now).await? > 0 {}
    while service.store.collect(now).await?.blobs > 0 {}
    Ok(())
}
