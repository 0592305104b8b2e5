//! The runs of background work in this process: their number, their kinds and their results.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecru_model::{Scope, Timestamp};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, broadcast, watch};

/// The maximum number of runs at the same time.
pub(crate) const RUNNING_MAX: usize = 3;
/// The number of finished runs whose result can still be read.
const ENDED_MAX: usize = 256;

/// A finished run, for the caller that requested it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    pub kind: String,
    pub scope: Scope,
    pub subject: String,
    pub ended: Ended,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    Done(Value),
    Again(Timestamp),
    /// With a sentence for people; the log has the cause. The job is retried after a while.
    Failed(String),
    /// Another run took the job over.
    Superseded,
}

/// A running kind of work, and its maximum number of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunningKind {
    pub(crate) name: String,
    pub(crate) running_max: usize,
}

pub(crate) struct Runs {
    pub(crate) permits: Arc<Semaphore>,
    kinds: Mutex<Vec<RunningKind>>,
    /// Held while a job is chosen, until its kind is listed among the running kinds.
    pub(crate) choosing: tokio::sync::Mutex<()>,
    /// The number of occupied places, including places of runs that are still looking for a job.
    pub(crate) taken: watch::Sender<usize>,
    pub(crate) ended: broadcast::Sender<Ran>,
    /// Wakes the loop when a run has ended and its place is free.
    pub(crate) vacated: Notify,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(RUNNING_MAX)),
            kinds: Mutex::default(),
            choosing: tokio::sync::Mutex::default(),
            taken: watch::Sender::new(0),
            ended: broadcast::Sender::new(ENDED_MAX),
            vacated: Notify::new(),
        }
    }
}

/// `RUNNING_MAX` runs cannot fill more kinds than this.
pub(crate) type FullKinds = [String; RUNNING_MAX];

impl Runs {
    /// The kinds of which no further run may begin, padded with empty texts.
    pub(crate) fn full_kinds(&self) -> FullKinds {
        let running = self.kinds();
        let mut full = Vec::<&str>::new();
        for kind in running.iter() {
            let count = running.iter().filter(|other| other.name == kind.name).count();
            if count >= kind.running_max && !full.contains(&kind.name.as_str()) {
                full.push(&kind.name);
            }
        }
        std::array::from_fn(|place| {
            full.get(place)
                .map_or_else(String::new, |name| (*name).to_owned())
        })
    }

    pub(crate) fn begins(&self, kind: RunningKind) {
        self.kinds().push(kind);
    }

    pub(crate) fn ends(&self, kind: &RunningKind) {
        let mut running = self.kinds();
        if let Some(place) = running.iter().position(|other| other.name == kind.name) {
            running.swap_remove(place);
        }
    }

    fn kinds(&self) -> MutexGuard<'_, Vec<RunningKind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
