//! What the pull-through cache keeps in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use super::flights::Flights;
use super::recollection::{Absences, Sizes};

#[derive(Default)]
pub(crate) struct Caching {
    /// Whether any registry may have a rule. While this is false, a pull need not look for rules.
    on: AtomicBool,
    pub(crate) flights: Flights,
    pub(crate) absences: Absences,
    pub(crate) sizes: Sizes,
}

impl Caching {
    pub(crate) fn new(is_on: bool) -> Self {
        Self {
            on: AtomicBool::new(is_on),
            ..Self::default()
        }
    }

    pub(crate) fn begins(&self) {
        self.absences.forget();
        self.on.store(true, Ordering::Release);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }
}
