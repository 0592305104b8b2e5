//! The thread that writes, and the seat that it shares with callers that commit in place.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::StoreError;
use crate::announcements::Topics;
use crate::backend::{Connection, Moment, Upkeep};
use crate::writer::batch::commit;
use crate::writer::{Health, Queue, Shared, Waiting};

const BATCH_JOBS_MAX: usize = 512;
/// The time without new work after which the thread counts as idle.
const QUIET: Duration = Duration::from_millis(5);
/// The longest that a batch waits for the callers of the last one, which are about to return.
const GATHERING_MAX: Duration = Duration::from_millis(2);

/// The next task of the thread.
enum Next {
    Commit(Vec<Waiting>),
    Quiet,
    Close,
}

/// A connection to write with, or none until the disk works again.
pub(super) enum Seat {
    Open {
        connection: Box<dyn Connection>,
        upkeep: Upkeep,
    },
    Shut {
        probe_at: Instant,
    },
}

/// The size and the time of the last batch.
#[derive(Clone, Copy, Default)]
struct Last {
    jobs: usize,
    took: Duration,
}

pub(super) fn run(shared: &Shared) {
    let _ending = Ending(shared);
    let mut last = Last::default();
    loop {
        let patience = shared.lock_seat().patience();
        match shared.next(patience, last) {
            Next::Commit(batch) => {
                last.jobs = batch.len();
                last.took = shared.commit(batch);
                shared.lock_seat().maintain(shared, Moment::Busy);
            }
            Next::Quiet => shared.lock_seat().quiet(shared),
            Next::Close => return shared.lock_seat().close(),
        }
    }
}

impl Seat {
    /// How long to wait for work before something else is due.
    fn patience(&self) -> Option<Duration> {
        match self {
            Seat::Open {
                upkeep: Upkeep::Done, ..
            } => None,
            Seat::Open {
                upkeep: Upkeep::Wanted,
                ..
            } => Some(QUIET),
            Seat::Shut { probe_at } => Some(probe_at.saturating_duration_since(Instant::now())),
        }
    }

    pub(super) fn commit(&mut self, shared: &Shared, batch: &mut [Waiting]) -> Result<Topics, StoreError> {
        let Seat::Open { connection, .. } = self else {
            return Err(StoreError::ReadOnly);
        };
        let mut jobs = batch
            .iter_mut()
            .map(|waiting| waiting.job.as_mut())
            .collect::<Vec<_>>();
        let committed = commit(connection.as_ref(), &shared.changes, &mut jobs);
        committed.inspect_err(|error| *self = shut(shared, error))
    }

    fn quiet(&mut self, shared: &Shared) {
        match self {
            Seat::Open { .. } => self.maintain(shared, Moment::Idle),
            Seat::Shut { probe_at } if Instant::now() < *probe_at => {}
            Seat::Shut { probe_at } => match shared.changes.during(|| shared.backend.reconnect()) {
                Ok(connection) => {
                    tracing::info!("the disk accepts writes again");
                    *self = Seat::Open {
                        connection,
                        upkeep: Upkeep::Done,
                    };
                    shared.health.send_replace(Health::Writable);
                }
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "writes are still refused"
                    );
                    *probe_at = Instant::now() + shared.probe_interval;
                }
            },
        }
    }

    /// A failed upkeep may have been a failed flush. As after a failed commit, the state of the disk is
    /// unknown.
    fn maintain(&mut self, shared: &Shared, moment: Moment) {
        let Seat::Open { connection, upkeep } = self else {
            return;
        };
        match connection.maintain(moment) {
            Ok(left) => *upkeep = left,
            Err(error) => *self = shut(shared, &error),
        }
    }

    fn close(&mut self) {
        if let Seat::Open { connection, .. } = self
            && let Err(error) = connection.maintain(Moment::Closing)
        {
            // Nothing is lost: what is committed is on disk, and the next start does the upkeep.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last upkeep of the database failed"
            );
        }
        // The last connection is closed here, not with the last handle to the store.
        *self = Seat::Shut {
            probe_at: Instant::now(),
        };
    }
}

fn shut(shared: &Shared, error: &StoreError) -> Seat {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "a commit failed: writes are refused"
    );
    shared.health.send_replace(Health::ReadOnly);
    Seat::Shut {
        probe_at: Instant::now() + shared.probe_interval,
    }
}

pub(super) fn settle(batch: Vec<Waiting>, committed: Result<(), StoreError>) {
    let committed = committed.map_err(Arc::new);
    for waiting in batch {
        waiting.job.settle(committed.clone());
    }
}

impl Last {
    /// Callers that were answered together return together. Waiting for them saves a flush, if the wait takes
    /// less time.
    fn gathering(self) -> Duration {
        if self.jobs > 1 {
            (self.took / 2).min(GATHERING_MAX)
        } else {
            Duration::ZERO
        }
    }
}

impl Shared {
    fn next(&self, patience: Option<Duration>, last: Last) -> Next {
        let mut queue = self.lock_queue();
        loop {
            if !queue.jobs.is_empty() {
                queue = self.gather(queue, last);
                let length = queue.jobs.len().min(BATCH_JOBS_MAX);
                return Next::Commit(queue.jobs.drain(..length).collect());
            }
            if queue.closing {
                return Next::Close;
            }
            if std::mem::take(&mut queue.failed) {
                return Next::Quiet;
            }
            let Some(patience) = patience else {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (back, timeout) = self
                .wake
                .wait_timeout(queue, patience)
                .unwrap_or_else(PoisonError::into_inner);
            queue = back;
            if timeout.timed_out() && queue.jobs.is_empty() && !queue.closing {
                return Next::Quiet;
            }
        }
    }

    fn gather<'q>(&self, mut queue: Guard<'q>, last: Last) -> Guard<'q> {
        let gathering = last.gathering();
        if gathering.is_zero() {
            return queue;
        }
        queue.awaited = last.jobs;
        let (mut queue, _) = self
            .wake
            .wait_timeout_while(queue, gathering, |queue| {
                queue.jobs.len() < queue.awaited && !queue.closing
            })
            .unwrap_or_else(PoisonError::into_inner);
        queue.awaited = 1;
        queue
    }
}

type Guard<'q> = std::sync::MutexGuard<'q, Queue>;

/// However the thread ends, no caller waits for it any more.
struct Ending<'s>(&'s Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.health.send_replace(Health::Closed);
        let mut queue = self.0.lock_queue();
        queue.closing = true;
        let left = std::mem::take(&mut queue.jobs);
        drop(queue);
        drop(left);
    }
}
