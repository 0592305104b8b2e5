//! Work that nobody waits for, as durable rows: what is due by the clock is run, and goes on after a restart.
//!
//! A job says what is to be looked at again, not what is to be done there: running it twice does no harm, and a run that
//! was cut off is simply begun anew. A run changes rows only under its lease, so that of two runs one comes to nothing.

pub mod background;
mod finish;
mod lease;
mod list;
mod next;
mod run;
mod run_due;
mod schedule;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_store::{Row, StoreError, Topic};
use serde_json::Value;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, watch};

use crate::Service;
use crate::repositories::stored;

pub(crate) use lease::Lease;
pub use list::{WaitingJob, list_jobs};
pub use run_due::run_due;
pub use schedule::{NewJob, schedule};
pub(crate) use schedule::{forget, schedule_everywhere};

/// Announced by every transaction that schedules a job.
const SCHEDULED: Topic = Topic::new(0);
const RUNNING_MAX: usize = 3;
/// Runs whose result somebody may still want to hear of.
const HEARD_MAX: usize = 256;

/// What a job does. One variant for each kind of work, one arm for it in `run.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Removes what the repositories held that are deleted.
    RepositoryRemoval,
    /// Removes abandoned uploads, blobs that nobody needs and events that everybody has.
    Housekeeping,
    /// Brings an image to another registry.
    Replication,
    /// Brings to another registry all that was there before.
    ReplicationBackfill,
    /// Carries out the lifecycle policy of a repository.
    Lifecycle,
    /// Works out what a lifecycle policy would do, and forgets it after a day.
    LifecyclePreview,
    /// Ends the restore of an archived image.
    Activation,
    /// Lets the referrers of an image follow it.
    Referrers,
    /// Scans an image.
    ImageScan,
    /// Brings repositories and images in line with new rules of scanning.
    ScanSweep,
    /// Brings an image from an upstream registry.
    CacheImport,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::RepositoryRemoval,
        Self::Housekeeping,
        Self::Replication,
        Self::ReplicationBackfill,
        Self::Lifecycle,
        Self::LifecyclePreview,
        Self::Activation,
        Self::Referrers,
        Self::ImageScan,
        Self::ScanSweep,
        Self::CacheImport,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RepositoryRemoval => "repository-removal",
            Self::Housekeeping => "housekeeping",
            Self::Replication => "replication",
            Self::ReplicationBackfill => "replication-backfill",
            Self::Lifecycle => "lifecycle",
            Self::LifecyclePreview => "lifecycle-preview",
            Self::Activation => "activation",
            Self::Referrers => "referrers",
            Self::ImageScan => "image-scan",
            Self::ScanSweep => "scan-sweep",
            Self::CacheImport => "cache-import",
        }
    }

    /// How many may run at once. One place is always left to other kinds: what a stranger can make slow must not stop
    /// the rest. The scanner looks at one image at a time, so that another scan would only wait in its place.
    fn running_max(self) -> usize {
        match self {
            Self::ImageScan => 1,
            _ => RUNNING_MAX - 1,
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| StoreError::damaged(format!("there is no work of the kind `{text}`")))
    }
}

/// A job whose run has begun.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    id: i64,
    pub(crate) kind: Kind,
    pub(crate) scope: Scope,
    pub(crate) subject: String,
    /// How often its run was begun without coming to an end, this time included.
    pub(crate) attempts: i64,
}

impl Job {
    fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer(0)?,
            kind: Kind::parse(row.text(1)?)?,
            scope: Scope {
                registry_id: stored(RegistryId::parse(row.text(2)?))?,
                region: stored(Region::parse(row.text(3)?))?,
            },
            subject: row.text(4)?.to_owned(),
            attempts: row.integer(5)?,
        })
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing is left to do; this is what was done.
    Done(Value),
    /// More is to be done when the clock says so.
    Again(Timestamp),
    /// This was done, and more is to be looked for after so much machine time.
    Later(Value, Duration),
}

/// A run that has ended, for whoever asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    pub kind: &'static str,
    pub scope: Scope,
    pub subject: String,
    pub ended: Ended,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    Done(Value),
    Again(Timestamp),
    /// With a sentence for people; the log has the cause. It is tried again after a while.
    Failed(String),
    /// Another run took the job over.
    Superseded,
}

/// What the runs of this process share.
pub(crate) struct Runs {
    permits: Arc<Semaphore>,
    /// The kinds of those that run.
    kinds: Mutex<Vec<Kind>>,
    /// Held while a job is chosen by the kinds that run, until its own is among them.
    choosing: tokio::sync::Mutex<()>,
    /// How many places are taken, those of runs that are only looked for among them.
    taken: watch::Sender<usize>,
    ended: broadcast::Sender<Ran>,
    /// Wakes the loop when a run has ended and left a place.
    vacated: Notify,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(RUNNING_MAX)),
            kinds: Mutex::default(),
            choosing: tokio::sync::Mutex::default(),
            taken: watch::Sender::new(0),
            ended: broadcast::Sender::new(HEARD_MAX),
            vacated: Notify::new(),
        }
    }
}

/// Of so few runs, no more kinds can be full.
type FullKinds = [&'static str; RUNNING_MAX];

impl Runs {
    /// The kinds of which no other may begin; no text where there are fewer.
    fn full_kinds(&self) -> FullKinds {
        let running = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |kind: Kind| running.iter().filter(|other| **other == kind).count();
        let mut full = Kind::ALL
            .into_iter()
            .filter(|kind| count(*kind) >= kind.running_max());
        std::array::from_fn(|_| full.next().map_or("", Kind::as_str))
    }
}

/// Permission for one run.
struct Place {
    service: Arc<Service>,
    kind: Option<Kind>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Waits until one is free. None when the process ends.
    async fn wait(service: &Arc<Service>) -> Option<Self> {
        let permit = Arc::clone(&service.runs.permits).acquire_owned().await.ok()?;
        Some(Self::take(service, permit))
    }

    /// None when all are taken.
    fn try_take(service: &Arc<Service>) -> Option<Self> {
        let permit = Arc::clone(&service.runs.permits).try_acquire_owned().ok()?;
        Some(Self::take(service, permit))
    }

    fn take(service: &Arc<Service>, permit: OwnedSemaphorePermit) -> Self {
        service.runs.taken.send_modify(|taken| *taken += 1);
        Self {
            service: Arc::clone(service),
            kind: None,
            _permit: permit,
        }
    }

    /// Counts the run among those of its kind until the place is left.
    fn hold_for(&mut self, kind: Kind) {
        self.kinds().push(kind);
        self.kind = Some(kind);
    }

    fn kinds(&self) -> MutexGuard<'_, Vec<Kind>> {
        let kinds = &self.service.runs.kinds;
        kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(kind) = self.kind {
            let mut running = self.kinds();
            if let Some(place) = running.iter().position(|other| *other == kind) {
                running.swap_remove(place);
            }
        }
        self.service.runs.taken.send_modify(|taken| *taken -= 1);
    }
}
