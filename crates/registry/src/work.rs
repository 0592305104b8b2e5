//! The table of background work, and running it.

use std::sync::Arc;

use ecru_platform::ServiceError;
use ecru_platform::jobs::{self, Kind, Ran, Runner, Work as _};

use crate::Service;
use crate::housekeeping::Housekeeping;
use crate::lifecycle::{Lifecycle, LifecyclePreview};
use crate::pull_through_cache::CacheImport;
use crate::replication::{Replication, ReplicationBackfill};
use crate::repositories::removal::RepositoryRemoval;
use crate::scanning::{ImageScan, ScanSweep};
use crate::stored_images::{Activation, Following, pulls};

/// One line for each kind.
pub(crate) fn kinds(service: &Arc<Service>) -> Vec<Kind> {
    vec![
        Kind::of::<RepositoryRemoval>(service),
        Kind::of::<Housekeeping>(service),
        Kind::of::<Replication>(service),
        Kind::of::<ReplicationBackfill>(service),
        Kind::of::<Lifecycle>(service),
        Kind::of::<LifecyclePreview>(service),
        Kind::of::<Activation>(service),
        Kind::of::<Following>(service),
        Kind::of::<ImageScan>(service),
        Kind::of::<ScanSweep>(service),
        Kind::of::<CacheImport>(service),
    ]
}

/// The kinds whose jobs end with their account.
pub(crate) const OF_ACCOUNTS: &[&str] = &[
    Replication::NAME,
    ReplicationBackfill::NAME,
    Lifecycle::NAME,
    LifecyclePreview::NAME,
    Activation::NAME,
    Following::NAME,
    ImageScan::NAME,
    ScanSweep::NAME,
    CacheImport::NAME,
];

/// Runs each job when it is due, until the process ends.
pub async fn run_in_background(service: Arc<Service>, runner: Arc<Runner>) {
    tokio::join!(
        jobs::run_in_background(runner),
        pulls::write_in_the_background(&service),
    );
}

/// Runs everything that is due by the clock until nothing is left that may run, including failed jobs that
/// wait for another attempt. It also waits for the runs of the background loop, and reports them.
pub async fn run_due(service: &Arc<Service>, runner: &Arc<Runner>) -> Result<Vec<Ran>, ServiceError> {
    pulls::write(service).await?;
    jobs::run_due(runner).await
}
