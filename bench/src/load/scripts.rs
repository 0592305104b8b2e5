//! The two simple loads: requests repeated for a time, and each request of a list once.

use std::rc::Rc;
use std::time::{Duration, Instant};
use std::vec;

use anyhow::{Result, ensure};

use crate::load::{Request, Response, Script};

const SENT_MIN: usize = 100;

/// Repeats requests until the time is over. All answers must have about the same length, because a much
/// shorter answer is incomplete.
pub(crate) struct Repeat {
    requests: Vec<Rc<Request>>,
    sent: usize,
    status: u16,
    until: Instant,
    /// Later limit that applies if fewer than `SENT_MIN` were sent: a median of two samples means nothing.
    at_most_until: Instant,
    body_bytes: Option<u64>,
}

impl Repeat {
    pub(crate) fn new(requests: Vec<Rc<Request>>, status: u16, duration: Duration) -> Self {
        Self {
            requests,
            sent: 0,
            status,
            until: Instant::now() + duration,
            at_most_until: Instant::now() + duration * 4,
            body_bytes: None,
        }
    }
}

impl Script for Repeat {
    fn next(&mut self, _connection: usize, response: Option<&Response<'_>>) -> Result<Option<Rc<Request>>> {
        if let Some(response) = response {
            response.expect(self.status)?;
            let usual = *self.body_bytes.get_or_insert(response.body_bytes);
            let found = response.body_bytes;
            // Printed times and tokens may differ by a few bytes.
            ensure!(
                found.abs_diff(usual) <= usual / 16 + 64,
                "an answer of {found} bytes where {usual} is usual"
            );
        }
        let now = Instant::now();
        if now >= self.at_most_until || now >= self.until && self.sent >= SENT_MIN {
            return Ok(None);
        }
        self.sent += 1;
        let at = self.sent.checked_rem(self.requests.len()).unwrap_or_default();
        Ok(self.requests.get(at).cloned())
    }
}

/// Sends each request once, on any free connection, until the list or the time ends.
pub(crate) struct Each {
    requests: vec::IntoIter<Rc<Request>>,
    status: u16,
    until: Option<Instant>,
}

impl Each {
    pub(crate) fn new(requests: Vec<Rc<Request>>, status: u16) -> Self {
        Self {
            requests: requests.into_iter(),
            status,
            until: None,
        }
    }

    pub(crate) fn within(mut self, duration: Duration) -> Self {
        self.until = Some(Instant::now() + duration);
        self
    }
}

impl Script for Each {
    fn next(&mut self, _connection: usize, response: Option<&Response<'_>>) -> Result<Option<Rc<Request>>> {
        if let Some(response) = response {
            response.expect(self.status)?;
        }
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Ok(None);
        }
        Ok(self.requests.next())
    }
}
