//! Pulls that are recorded in memory and not yet written.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ecru_model::{Digest, RepositoryName, Scope, Timestamp};
use tokio::sync::Notify;

/// Beyond this number, further pulls are dropped until these are written.
const PULLS_MAX: usize = 100_000;
const AHEAD_MAX: usize = 10_000;

/// Pulls that are not yet written.
#[derive(Default)]
pub(crate) struct Pulls {
    noted: Mutex<HashMap<Pulled, Timestamp>>,
    wanted: Notify,
    /// Pulls of images that were served to a client before they were stored here.
    ahead: Mutex<HashMap<Arriving, Timestamp>>,
}

/// An image that has no row yet.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Arriving {
    pub(crate) scope: Scope,
    pub(crate) name: RepositoryName,
    pub(crate) digest: Digest,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pulled {
    pub(crate) repository_id: i64,
    pub(crate) digest: Digest,
}

impl Pulls {
    /// If an image is pulled several times before the next write, the first pull counts.
    pub(crate) fn note(&self, pulled: Pulled, now: Timestamp) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= PULLS_MAX {
            return;
        }
        let waiting = !noted.is_empty();
        noted.entry(pulled).or_insert(now);
        drop(noted);
        if !waiting {
            self.wanted.notify_one();
        }
    }

    pub(crate) fn note_ahead(&self, arriving: Arriving, now: Timestamp) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.len() < AHEAD_MAX {
            ahead.entry(arriving).or_insert(now);
        }
    }

    /// The pull time of an image that was stored, or whose import was given up.
    pub(crate) fn take_ahead(&self, arriving: &Arriving) -> Option<Timestamp> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.remove(arriving)
    }

    pub(crate) fn take(&self) -> Vec<(Pulled, Timestamp)> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *noted).into_iter().collect()
    }

    /// Waits until there is a pull to write.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
