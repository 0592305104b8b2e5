//! The runs of background work in this process: how many there are, of which kinds, and how they ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecru_model::{Scope, Timestamp};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, broadcast, watch};

/// How many runs there may be at once.
pub(crate) const RUNNING_MAX: usize = 3;
/// Runs whose result somebody may still want to read.
const ENDED_MAX: usize = 256;

/// A run that has ended, for whoever asked for it.
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
    /// With a sentence for people; the log has the cause. It is tried again after a while.
    Failed(String),
    /// Another run took the job over.
    Superseded,
}

/// A kind of work that runs, and how many of it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunningKind {
    pub(crate) name: String,
    pub(crate) running_max: usize,
}

pub(crate) struct Runs {
    pub(crate) permits: Arc<Semaphore>,
    kinds: Mutex<Vec<RunningKind>>,
    /// Held while a job is chosen by the kinds that run, until its own is among them.
    pub(crate) choosing: tokio::sync::Mutex<()>,
    /// How many places are taken, including those of runs that are only looked for.
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

/// At most `RUNNING_MAX` runs cannot fill more kinds than this.
pub(crate) type FullKinds = [String; RUNNING_MAX];

impl Runs {
    /// The kinds of which no other run may begin; empty texts where there are fewer.
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
