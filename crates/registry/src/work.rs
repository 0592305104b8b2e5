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

/// Runs what is due, whenever it is, until the process ends.
pub async fn run_in_background(service: Arc<Service>) {
    tokio::join!(
        jobs::run_in_background(&service, KINDS),
        pulls::write_in_the_background(&service),
    );
}

/// Runs everything that is due by the clock, including what failed and waits to be tried again, until nothing is left that
/// may run. It waits for what the loop runs meanwhile, and reports that too.
pub async fn run_due(service: &Arc<Service>) -> Result<Vec<Ran>, Error> {
    pulls::write(service).await?;
    jobs::run_due(service, KINDS).await
}
