//! How fast a body must arrive: it may be silent for a minute, and must keep a pace while others wait for the memory that it
//! holds.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::time::{Instant, timeout};

use super::BodyRefused;

const SILENCE_MAX: Duration = Duration::from_mins(1);
/// While other bodies wait, each body must arrive at least this fast on average.
pub(super) const PACE_BYTES_PER_SECOND: usize = 64 * 1024;
/// How far a body may fall behind that pace.
const LAG_MAX: Duration = Duration::from_secs(5);
const CHECKED_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Arrival {
    lag: Duration,
    waited: Duration,
}

impl Arrival {
    /// Adds time for which the body itself has waited. Its sender then has less time left, so that every body
    /// ends within a bounded time.
    pub fn has_waited(&mut self, time: Duration) {
        self.waited += time;
    }

    /// Waits for the next piece, for as long as its sender may take. Only a body that holds memory must keep
    /// the pace.
    pub async fn next<F: Future>(
        &mut self,
        piece: F,
        holds: bool,
        others_wait: impl Fn() -> bool,
    ) -> Result<F::Output, BodyRefused> {
        let mut piece = pin!(piece);
        // Most pieces are ready at once, and need no timer.
        let polled = poll_fn(|context| Poll::Ready(piece.as_mut().poll(context))).await;
        if let Poll::Ready(piece) = polled {
            return Ok(piece);
        }
        let silence_max = SILENCE_MAX.saturating_sub(self.waited);
        let begun = Instant::now();
        loop {
            if holds && self.lag > LAG_MAX {
                return Err(BodyRefused::Slow);
            }
            if begun.elapsed() >= silence_max {
                return Err(BodyRefused::Silent);
            }
            let turn = Instant::now();
            let waited = timeout(CHECKED_EVERY, piece.as_mut()).await;
            if others_wait() {
                self.lag += turn.elapsed();
            } else {
                self.lag = Duration::ZERO;
            }
            if let Ok(piece) = waited {
                return Ok(piece);
            }
        }
    }

    /// Records that bytes arrived.
    pub fn arrived(&mut self, bytes: usize) {
        if !self.lag.is_zero() {
            let milliseconds = bytes.saturating_mul(1000) / PACE_BYTES_PER_SECOND;
            let caught_up = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX));
            self.lag = self.lag.saturating_sub(caught_up);
        }
    }
}
