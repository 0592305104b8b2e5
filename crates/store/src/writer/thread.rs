//! The thread that writes.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::StoreError;
use crate::backend::{Connection, Moment, Upkeep};
use crate::writer::batch::commit;
use crate::writer::{Health, Shared, Waiting};

const BATCH_JOBS_MAX: usize = 512;
/// How long no work must have come for the thread to call it quiet.
const QUIET: Duration = Duration::from_millis(5);

/// What the thread has to do next.
enum Next {
    Commit(Vec<Waiting>),
    Quiet,
    Close,
}

/// A connection to write with, or none until the disk is seen to work again.
enum Seat {
    Open {
        connection: Box<dyn Connection>,
        upkeep: Upkeep,
    },
    Shut {
        probe_at: Instant,
    },
}

pub(crate) fn run(shared: &Shared, connection: Box<dyn Connection>) {
    let _ending = Ending(shared);
    let mut seat = Seat::Open {
        connection,
        upkeep: Upkeep::Done,
    };
    loop {
        seat = match shared.next(seat.patience()) {
            Next::Commit(batch) => seat.commit(shared, batch),
            Next::Quiet => seat.quiet(shared),
            Next::Close => return seat.close(),
        };
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

    fn commit(self, shared: &Shared, mut batch: Vec<Waiting>) -> Seat {
        let Seat::Open { connection, .. } = self else {
            settle(batch, Err(StoreError::ReadOnly));
            return self;
        };

        let committed = commit(
            connection.as_ref(),
            &shared.changes,
            batch.iter_mut().map(|waiting| waiting.job.as_mut()),
        );
        let announced = match committed {
            Ok(announced) => announced,
            Err(error) => {
                drop(connection);
                let shut = shut(shared, &error);
                settle(batch, Err(error));
                return shut;
            }
        };
        settle(batch, Ok(()));
        shared.announcements.publish(announced);
        tidy(shared, connection, Moment::Busy)
    }

    fn quiet(self, shared: &Shared) -> Seat {
        match self {
            Seat::Open { connection, .. } => tidy(shared, connection, Moment::Idle),
            Seat::Shut { probe_at } if Instant::now() < probe_at => self,
            Seat::Shut { .. } => match shared.changes.during(|| shared.backend.recover()) {
                Ok(connection) => {
                    tracing::info!("the disk takes writes again");
                    shared.health.send_replace(Health::Writable);
                    Seat::Open {
                        connection,
                        upkeep: Upkeep::Done,
                    }
                }
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "writes are still refused"
                    );
                    Seat::Shut {
                        probe_at: Instant::now() + shared.probe_interval,
                    }
                }
            },
        }
    }

    fn close(self) {
        if let Seat::Open { connection, .. } = self
            && let Err(error) = connection.tidy(Moment::Closing)
        {
            // Nothing is lost: what was committed stands in the log, which the next start reads.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the log could not be brought in"
            );
        }
    }
}

/// A failed upkeep may have been a failed flush: as after a failed commit, nothing is known of the disk.
fn tidy(shared: &Shared, connection: Box<dyn Connection>, moment: Moment) -> Seat {
    match connection.tidy(moment) {
        Ok(upkeep) => Seat::Open { connection, upkeep },
        Err(error) => {
            drop(connection);
            shut(shared, &error)
        }
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

fn settle(batch: Vec<Waiting>, committed: Result<(), StoreError>) {
    let committed = committed.map_err(Arc::new);
    for waiting in batch {
        waiting.job.settle(committed.clone());
    }
}

impl Shared {
    fn next(&self, patience: Option<Duration>) -> Next {
        let mut queue = self.lock_queue();
        loop {
            if !queue.jobs.is_empty() {
                let length = queue.jobs.len().min(BATCH_JOBS_MAX);
                return Next::Commit(queue.jobs.drain(..length).collect());
            }
            if queue.closing {
                return Next::Close;
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
}

/// However the thread ends, nobody waits for it any more.
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
