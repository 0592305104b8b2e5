//! The reason why a value is refused, in the service's words.

use std::fmt;

/// The reason in `failed to satisfy constraint: '<reason>'`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    reason: &'static str,
}

impl Violation {
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }

    pub fn reason(self) -> &'static str {
        self.reason
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason)
    }
}
