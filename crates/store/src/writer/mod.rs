//! Writing: one thread takes what waits, runs it in one transaction, commits once, then answers all of it.

mod batch;
mod thread;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::announcements::{Announcements, Topic};
use crate::backend::{Backend, Connection};
use crate::changes::{Changes, Settled};
use crate::writer::batch::{Job, Pending};
use crate::{StoreError, Tried, Tx};

/// Writes that wait or run; a caller beyond them waits before it enters the queue.
const QUEUE_LENGTH_MAX: usize = 2_048;

/// Whether the store takes writes.
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
    permits: Arc<Semaphore>,
    health: watch::Sender<Health>,
    announcements: Announcements,
    changes: Changes,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Waiting>,
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
            permits: Arc::new(Semaphore::new(QUEUE_LENGTH_MAX)),
            health: watch::Sender::new(Health::Writable),
            announcements: Announcements::default(),
            changes: Changes::default(),
        });
        let own = shared.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread::run(&own, connection))
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
        self.shared.enqueue(Waiting { job, _permit: permit })?;

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

    /// Takes no more work; returns once what waits is done and the thread has ended.
    pub(crate) fn stop(&self) {
        self.shared.lock_queue().closing = true;
        self.shared.wake.notify_all();

        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A closure may hold the last handle to the store: then this is the writer's own thread.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the writer thread panicked");
        }
    }

    fn refuse_unless_writable(&self) -> Result<(), StoreError> {
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
        drop(queue);

        self.wake.notify_one();
        Ok(())
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
