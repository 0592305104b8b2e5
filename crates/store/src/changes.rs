//! Detects whether anything was committed since an earlier point.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Odd from before a commit begins until its outcome is known.
#[derive(Default)]
pub(crate) struct Changes(AtomicU64);

/// A state of the rows. It is current as long as the store returns an equal one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled(u64);

impl Changes {
    pub(crate) fn during<T>(&self, commit: impl FnOnce() -> T) -> T {
        self.0.fetch_add(1, Ordering::SeqCst);
        let outcome = commit();
        self.0.fetch_add(1, Ordering::SeqCst);
        outcome
    }

    pub(crate) fn settled(&self) -> Option<Settled> {
        // Orders the caller's earlier reads before the load of the counter.
        fence(Ordering::SeqCst);
        let count = self.0.load(Ordering::SeqCst);
        count.is_multiple_of(2).then_some(Settled(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_settled_until_a_commit_begins_and_then_another() {
        let changes = Changes::default();
        let before = changes.settled();
        assert!(before.is_some());
        assert_eq!(changes.settled(), before);

        changes.during(|| assert_eq!(changes.settled(), None));
        assert!(changes.settled().is_some_and(|after| Some(after) != before));
    }
}
