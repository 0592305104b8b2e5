//! Writing: one thread takes the waiting writes, runs them in one transaction, commits once, then answers all
//! of them. A caller that is alone commits on its own thread, where a commit is quick.

mod batch;
mod thread;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::announcements::{Announcements, Topic};
use crate::backend::Upkeep;
use crate::backend::{Backend, Connection};
use crate::changes::{Changes, Settled};
use crate::writer::batch::{Job, Pending};
use crate::writer::thread::{Seat, settle};
use crate::{StoreError, Tried, Tx};

/// Writes that wait or run. Further callers wait before they enter the queue.
const QUEUE_LENGTH_MAX: usize = 2_048;
/// A caller commits on its own thread only while a commit takes at most this long: other requests wait for
/// that thread.
const COMMIT_IN_PLACE_MAX: Duration = Duration::from_micros(500);
/// After this many commits in place the writer thread commits, because it also looks after the log.
const COMMITS_IN_PLACE_MAX: u32 = 64;

/// Whether the store accepts writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Writable,
    /// A commit failed, and the disk has not yet been seen to work again.
    ReadOnly,
    Closed,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    backend: Arc<dyn Backend>,
    probe_interval: Duration,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Locked before the queue when both are needed, and never held while callers are answered.
    seat: Mutex<Seat>,
    /// The number of callers that may still commit on their own threads.
    in_place: AtomicU32,
    permits: Arc<Semaphore>,
    health: watch::Sender<Health>,
    announcements: Announcements,
    changes: Changes,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Waiting>,
    /// The number of waiting jobs at which the thread is woken.
    awaited: usize,
    /// A commit in place has failed, so the thread must handle the failure.
    failed: bool,
    closing: bool,
}

struct Waiting {
    job: Box<dyn Job>,
    _permit: OwnedSemaphorePermit,
}

impl Writer {
    pub(crate) fn start(
        backend: Arc<dyn Backend>,
        connection: Box<dyn Connection>,
        probe_interval: Duration,
    ) -> Result<Writer, StoreError> {
        let shared = Arc::new(Shared {
            backend,
            probe_interval,
            queue: Mutex::default(),
            wake: Condvar::new(),
            seat: Mutex::new(Seat::Open {
                connection,
                upkeep: Upkeep::Done,
            }),
            in_place: AtomicU32::new(0),
            permits: Arc::new(Semaphore::new(QUEUE_LENGTH_MAX)),
            health: watch::Sender::new(Health::Writable),
            announcements: Announcements::default(),
            changes: Changes::default(),
        });
        let own = shared.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread::run(&own))
            .tried("start the writer thread")?;
        Ok(Writer {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.refuse_unless_writable()?;
        let Ok(permit) = self.shared.permits.clone().acquire_owned().await else {
            return Err(StoreError::Closed.into());
        };

        let (answer, answered) = oneshot::channel();
        let job = Box::new(Pending::new(work, answer));
        let waiting = Waiting { job, _permit: permit };
        if let Some(waiting) = self.shared.commit_in_place(waiting) {
            self.shared.enqueue(waiting)?;
        }

        answered.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    pub(crate) fn health(&self) -> Health {
        *self.shared.health.borrow()
    }

    pub(crate) fn watch_health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    pub(crate) fn settled(&self) -> Option<Settled> {
        self.shared.changes.settled()
    }

    pub(crate) fn watch(&self, topic: Topic) -> watch::Receiver<()> {
        self.shared.announcements.watch(topic)
    }

    /// Accepts no more work. Returns once the waiting work is done and the thread has ended.
    pub(crate) fn stop(&self) {
        self.shared.lock_queue().closing = true;
        self.shared.wake.notify_all();

        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A closure may hold the last handle to the store: then this is the writer thread itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the writer thread panicked");
        }
    }

    pub(crate) fn refuse_unless_writable(&self) -> Result<(), StoreError> {
        match self.health() {
            Health::Writable => Ok(()),
            Health::ReadOnly => Err(StoreError::ReadOnly),
            Health::Closed => Err(StoreError::Closed),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn enqueue(&self, waiting: Waiting) -> Result<(), StoreError> {
        let mut queue = self.lock_queue();
        if queue.closing {
            return Err(StoreError::Closed);
        }
        queue.jobs.push_back(waiting);
        let enough = queue.jobs.len() >= queue.awaited;
        drop(queue);

        if enough {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Returns the work if the writer thread must do it.
    fn commit_in_place(&self, waiting: Waiting) -> Option<Waiting> {
        let taken = |left: u32| left.checked_sub(1);
        if self
            .in_place
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_err()
        {
            return Some(waiting);
        }
        let Ok(seat) = self.seat.try_lock() else {
            return Some(waiting);
        };
        let queue = self.lock_queue();
        if queue.closing || !queue.jobs.is_empty() {
            return Some(waiting);
        }
        drop(queue);
        let left = self.in_place.load(Ordering::Relaxed);
        self.commit_on(seat, vec![waiting], left);
        if self.health.borrow().ne(&Health::Writable) {
            self.lock_queue().failed = true;
            self.wake.notify_one();
        }
        None
    }

    /// Runs on the writer thread. Returns the time taken.
    fn commit(&self, batch: Vec<Waiting>) -> Duration {
        self.commit_on(self.lock_seat(), batch, COMMITS_IN_PLACE_MAX)
    }

    /// Allows `in_place` callers to commit in place, if this commit was alone and quick.
    fn commit_on(&self, mut seat: MutexGuard<'_, Seat>, mut batch: Vec<Waiting>, in_place: u32) -> Duration {
        let began = Instant::now();
        let committed = seat.commit(self, &mut batch);
        let took = began.elapsed();
        let quick_and_alone = batch.len() == 1 && took <= COMMIT_IN_PLACE_MAX;
        self.in_place
            .store(if quick_and_alone { in_place } else { 0 }, Ordering::Relaxed);
        drop(seat);

        match committed {
            Ok(announced) => {
                settle(batch, Ok(()));
                self.announcements.publish(announced);
            }
            Err(error) => settle(batch, Err(error)),
        }
        took
    }

    fn lock_seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
