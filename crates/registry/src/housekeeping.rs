//! What has to go from time to time, by the age that the machine's clock gives it.

use std::time::Duration;

use serde_json::json;

use crate::jobs::{Lease, Outcome};
use crate::{Error, Service, events, replication};

const INTERVAL: Duration = Duration::from_mins(10);

pub(crate) async fn run(service: &Service, lease: &Lease) -> Result<Outcome, Error> {
    let now = service.clock.machine_milliseconds();
    let mut uploads = 0;
    loop {
        let expired = service.store.uploads().expire(now).await?;
        if expired == 0 {
            break;
        }
        uploads += expired;
    }
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
