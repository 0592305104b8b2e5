//! The table of background work, and running it.

use std::sync::Arc;

use crate::housekeeping::Housekeeping;
use crate::jobs::{self, Kind, Ran};
use crate::lifecycle::{Lifecycle, LifecyclePreview};
use crate::pull_through_cache::CacheImport;
use crate::replication::{Replication, ReplicationBackfill};
use crate::repositories::removal::RepositoryRemoval;
use crate::scanning::{ImageScan, ScanSweep};
use crate::stored_images::{Activation, Following, pulls};
use crate::{Error, Service};

/// One line for each kind.
pub(crate) const KINDS: &[Kind] = &[
    Kind::of::<RepositoryRemoval>(),
    Kind::of::<Housekeeping>(),
    Kind::of::<Replication>(),
    Kind::of::<ReplicationBackfill>(),
    Kind::of::<Lifecycle>(),
    Kind::of::<LifecyclePreview>(),
    Kind::of::<Activation>(),
    Kind::of::<Following>(),
    Kind::of::<ImageScan>(),
    Kind::of::<ScanSweep>(),
    Kind::of::<CacheImport>(),
];

/// Runs each job when it is due, until the process ends.
pub async fn run_in_background(service: Arc<Service>) {
    tokio::join!(
        jobs::run_in_background(&service, KINDS),
        pulls::write_in_the_background(&service),
    );
}

/// Runs everything that is due by the clock until nothing is left that may run, including failed jobs that
/// wait for another attempt. It also waits for the runs of the background loop, and reports them.
pub async fn run_due(service: &Arc<Service>) -> Result<Vec<Ran>, Error> {
    pulls::write(service).await?;
    jobs::run_due(service, KINDS).await
}
