//! The time that users see, the time of the machine, and randomness: everything that a test may want to fix.

mod setting;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ecru_model::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

pub use setting::SetClock;
pub(crate) use setting::{forget, restore, save};

const NOT_FROZEN: i64 = i64::MIN;

/// The time that users see. A test can freeze and advance it; the machine's time continues independently.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    state: Arc<ClockState>,
}

#[derive(Debug)]
struct ClockState {
    frozen_at: AtomicI64,
    ahead: AtomicI64,
    /// Wakes the loop that waits for a due time.
    moved: Notify,
}

impl Default for ClockState {
    fn default() -> Self {
        Self {
            frozen_at: AtomicI64::new(NOT_FROZEN),
            ahead: AtomicI64::new(0),
            moved: Notify::new(),
        }
    }
}

/// One moment in both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time that users see.
    pub now: Timestamp,
    pub machine_now: i64,
}

impl Clock {
    pub fn moment(&self) -> Moment {
        Moment {
            now: self.now(),
            machine_now: self.machine_milliseconds(),
        }
    }

    pub fn now(&self) -> Timestamp {
        let frozen_at = self.state.frozen_at.load(Ordering::Acquire);
        let base = if frozen_at == NOT_FROZEN {
            machine_milliseconds()
        } else {
            frozen_at
        };
        Timestamp::from_millis(base.saturating_add(self.state.ahead.load(Ordering::Acquire)))
    }

    /// Machine time in milliseconds since 1970, which no client can change: for ages, leases and time-outs.
    pub fn machine_milliseconds(&self) -> i64 {
        machine_milliseconds()
    }

    pub fn freeze(&self, at: Timestamp) {
        self.state.ahead.store(0, Ordering::Release);
        self.state.frozen_at.store(at.as_millis(), Ordering::Release);
        self.state.moved.notify_one();
    }

    pub fn advance(&self, milliseconds: i64) {
        self.state.ahead.fetch_add(milliseconds, Ordering::AcqRel);
        self.state.moved.notify_one();
    }

    pub fn reset(&self) {
        self.state.ahead.store(0, Ordering::Release);
        self.state.frozen_at.store(NOT_FROZEN, Ordering::Release);
        self.state.moved.notify_one();
    }

    /// The time at which the clock is frozen, before later advances are added.
    pub fn frozen_at(&self) -> Option<Timestamp> {
        let frozen_at = self.state.frozen_at.load(Ordering::Acquire);
        (frozen_at != NOT_FROZEN).then_some(Timestamp::from_millis(frozen_at))
    }

    /// How far the clock was advanced.
    pub fn ahead_milliseconds(&self) -> i64 {
        self.state.ahead.load(Ordering::Acquire)
    }

    /// Waits until a client freezes, advances or resets the clock.
    pub(crate) async fn moved(&self) {
        self.state.moved.notified().await;
    }
}

/// Machine time in milliseconds since 1970.
pub fn machine_milliseconds() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The source of identifiers and secrets: only the operating system. A generator of our own gathers entropy
/// first on each thread that uses it, which costs tens of milliseconds at startup.
#[derive(Clone, Debug, Default)]
pub struct Random(());

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct NoRandomness;

impl Random {
    pub fn bytes<const LENGTH: usize>(&self) -> Result<[u8; LENGTH], NoRandomness> {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }

    pub fn uuid(&self) -> Result<Uuid, NoRandomness> {
        Ok(uuid::Builder::from_random_bytes(self.bytes()?).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_stands_still_until_it_is_advanced() {
        let clock = Clock::default();
        clock.freeze(Timestamp::from_millis(1_000));
        clock.advance(500);
        assert_eq!(clock.now().as_millis(), 1_500);

        clock.reset();
        assert!(clock.now().as_millis() > 1_700_000_000_000);
    }
}
