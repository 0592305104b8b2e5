//! Pulls that are noted and not written yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ecru_model::{Digest, RepositoryName, Scope, Timestamp};
use tokio::sync::Notify;

/// Beyond these, pulls are forgotten until the others are written.
const PULLS_MAX: usize = 100_000;
const AHEAD_MAX: usize = 10_000;

/// Pulls that are not written yet.
#[derive(Default)]
pub(crate) struct Pulls {
    noted: Mutex<HashMap<Pulled, Timestamp>>,
    wanted: Notify,
    /// Of images that have been given to somebody, and are still on their way here.
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
    /// Of several pulls since the last one that was written, the first counts.
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

    /// When an image was pulled that has arrived, or will not.
    pub(crate) fn take_ahead(&self, arriving: &Arriving) -> Option<Timestamp> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.remove(arriving)
    }

    pub(crate) fn take(&self) -> Vec<(Pulled, Timestamp)> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *noted).into_iter().collect()
    }

    /// Waits until there is something to write.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
