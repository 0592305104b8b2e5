//! Removes expired data from time to time, by its age in machine time.

use std::sync::Arc;
use std::time::Duration;

use ecru_platform::Clock;
use ecru_platform::jobs::{Job, Lease, Outcome, Work};
use ecru_store::{Collected, Store, StoreError};
use serde_json::json;

use crate::subjects::HOUSEKEEPING;
use crate::{Error, Service, events, replication};

const INTERVAL: Duration = Duration::from_mins(10);

/// How many unneeded things were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads begun more than a day ago and then abandoned.
    pub uploads: usize,
    pub collected: Collected,
}

/// `ecru gc`: removes everything that may be removed now.
pub async fn sweep(store: &Store, clock: &Clock) -> Result<Swept, StoreError> {
    let now = clock.machine_milliseconds();
    Ok(Swept {
        uploads: expire_uploads(store, now).await?,
        collected: store.collect_everything(now).await?,
    })
}

/// Removes abandoned uploads, unneeded blobs, and events that every sink has.
pub(crate) struct Housekeeping;

impl Work for Housekeeping {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = HOUSEKEEPING;
    type Subject = ();
    const IS_STANDING: bool = true;

    async fn run(service: &Arc<Service>, _job: Job<()>, lease: &Lease) -> Result<Outcome, Error> {
        run(service, lease).await
    }
}

async fn run(service: &Service, lease: &Lease) -> Result<Outcome, Error> {
    let now = service.clock.machine_milliseconds();
    let uploads = expire_uploads(&service.store, now).await?;
    let collected = service.store.collect(now).await?;
    let events = events::trim(service, lease).await?;
    let backfills = replication::backfill::remove_old(service, lease).await?;

    let summary = json!({
        "uploads": uploads,
        "links": collected.links,
        "blobs": collected.blobs,
        "files": collected.files,
        "events": events,
        "backfills": backfills,
    });
    Ok(Outcome::Later(summary, INTERVAL))
}

async fn expire_uploads(store: &Store, now: i64) -> Result<usize, StoreError> {
    let mut uploads = 0;
    loop {
        let expired = store.uploads().expire(now).await?;
        if expired == 0 {
            return Ok(uploads);
        }
        uploads += expired;
    }
}
