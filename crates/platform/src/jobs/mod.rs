//! Background work as durable rows: a job runs when it is due by the clock, and survives a restart.
//!
//! A job names what to look at again, not what to do there. Running it twice does no harm, and an interrupted run starts again
//! from the beginning. A run changes rows only under its lease, so of two runs one changes nothing.

mod background;
mod finish;
mod lease;
mod list;
mod next;
mod run;
mod run_due;
mod runs;
mod schedule;
mod subject;
#[cfg(test)]
mod tests;
mod work;

use std::sync::Arc;
use std::time::Duration;

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_store::{Row, StoreError, Topic, stored};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::Platform;
use runs::{RunningKind, Runs};

pub use background::run_in_background;
pub use lease::{Lease, LeaseError};
pub use list::{WaitingJob, list_jobs};
pub use run_due::run_due;
pub use runs::{Ended, Ran};
pub use schedule::{forget, schedule, schedule_everywhere, schedule_everywhere_named, schedule_named};
pub use subject::Subject;
pub use work::{Kind, Work};

/// Announced by every transaction that schedules a job.
const SCHEDULED: Topic = Topic::new(0);

/// A job whose run has begun, with its subject.
#[derive(Clone, Debug)]
pub struct Job<S> {
    pub scope: Scope,
    pub subject: S,
    /// How many runs began without reaching an end, including this one.
    pub attempts: i64,
}

/// The same as in its row.
#[derive(Clone, Debug)]
struct JobRow {
    id: i64,
    kind: String,
    job: Job<String>,
}

impl JobRow {
    fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer(0)?,
            kind: row.text(1)?.to_owned(),
            job: Job {
                scope: Scope {
                    registry_id: stored(RegistryId::parse(row.text(2)?))?,
                    region: stored(Region::parse(row.text(3)?))?,
                },
                subject: row.text(4)?.to_owned(),
                attempts: row.integer(5)?,
            },
        })
    }
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing is left to do; the value is a summary of what was done.
    Done(Value),
    /// More work is due at this time of the clock.
    Again(Timestamp),
    /// The value was done, and the job runs again after this machine time.
    Later(Value, Duration),
}

/// Runs the jobs of all services of the process.
pub struct Runner {
    platform: Arc<Platform>,
    kinds: Vec<Kind>,
    runs: Runs,
}

impl Runner {
    pub fn new(platform: Arc<Platform>, kinds: Vec<Kind>) -> Arc<Self> {
        Arc::new(Self {
            platform,
            kinds,
            runs: Runs::default(),
        })
    }

    fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// The names of the kinds that are scheduled at each start.
    fn standing(&self) -> Vec<&'static str> {
        let standing = self.kinds.iter().filter(|kind| kind.is_standing);
        standing.map(|kind| kind.name).collect()
    }
}

/// Permission for one run.
struct Place {
    runner: Arc<Runner>,
    kind: Option<RunningKind>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Waits for a free place. None when the process ends.
    async fn wait(runner: &Arc<Runner>) -> Option<Self> {
        let permit = Arc::clone(&runner.runs.permits).acquire_owned().await.ok()?;
        Some(Self::take(runner, permit))
    }

    /// None if all places are taken.
    fn try_take(runner: &Arc<Runner>) -> Option<Self> {
        let permit = Arc::clone(&runner.runs.permits).try_acquire_owned().ok()?;
        Some(Self::take(runner, permit))
    }

    fn take(runner: &Arc<Runner>, permit: OwnedSemaphorePermit) -> Self {
        runner.runs.taken.send_modify(|taken| *taken += 1);
        Self {
            runner: Arc::clone(runner),
            kind: None,
            _permit: permit,
        }
    }

    /// Counts the run among those of its kind until the place is dropped.
    fn hold_for(&mut self, kind: RunningKind) {
        self.runner.runs.begins(kind.clone());
        self.kind = Some(kind);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(kind) = &self.kind {
            self.runner.runs.ends(kind);
        }
        self.runner.runs.taken.send_modify(|taken| *taken -= 1);
    }
}
