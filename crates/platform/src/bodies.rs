//! Memory for bodies that are held whole: all APIs share one budget. A body takes memory as its bytes arrive and returns it when
//! dropped.
//!
//! Every body may use the first `SHARED_BYTES`, but their last `SMALL_LANE_BYTES` serve only small bodies. The rest is reserved
//! for one body at a time, the leader: the body that has waited longest takes what it needs from there. So bodies that each hold
//! a part and wait for more cannot block one another.

mod arrival;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

pub use self::arrival::Arrival;

const MEBIBYTE: usize = 1024 * 1024;

/// The most memory that all bodies hold together.
const BUDGET_BYTES: usize = 64 * MEBIBYTE;
/// The most memory that one body is charged for. A body that is allowed to be larger is not charged for the
/// rest.
const BODY_BYTES_MAX: usize = 28 * MEBIBYTE;
const SHARED_BYTES: usize = BUDGET_BYTES - BODY_BYTES_MAX;
const SMALL_LANE_BYTES: usize = 8 * MEBIBYTE;
const LARGE_SHARED_BYTES: usize = SHARED_BYTES - SMALL_LANE_BYTES;
const SMALL_BYTES: usize = 16 * 1024;

/// Memory is taken in steps, so that small pieces cost no more than large ones.
const SMALL_STEP_BYTES: usize = 4 * 1024;
const LARGE_STEP_BYTES: usize = 64 * 1024;

/// The connection of a body that is not small may have read this much beyond the body.
const READ_AHEAD_BYTES: usize = 512 * 1024;

const WAIT_MAX: Duration = Duration::from_secs(30);

/// Why a body is not received further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRefused {
    /// No byte arrived for a minute.
    Silent,
    /// The body arrived slowly while others waited for memory.
    Slow,
    /// No memory became free in time.
    Crowded,
}

#[derive(Debug, Clone, Default)]
pub struct BodyBudget(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Bytes of `SHARED_BYTES` that are held.
    taken: AtomicUsize,
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// In order of arrival.
    waiters: VecDeque<Waiter>,
    has_leader: bool,
    last_id: u64,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    bytes: usize,
    shared_max: usize,
    granted: oneshot::Sender<Grant>,
}

#[derive(Debug, Clone, Copy)]
enum Grant {
    /// The bytes come from the shared part.
    Shared,
    Leader,
}

impl BodyBudget {
    /// A body that holds nothing yet.
    pub fn body(&self) -> HeldBody {
        HeldBody {
            budget: Arc::clone(&self.0),
            shared: 0,
            reserved: 0,
            leads: false,
            must_lead: false,
            arrival: Arrival::default(),
        }
    }
}

/// The memory that one body holds, and how fast the body arrives.
#[derive(Debug)]
pub struct HeldBody {
    budget: Arc<Shared>,
    shared: usize,
    reserved: usize,
    leads: bool,
    must_lead: bool,
    arrival: Arrival,
}

impl HeldBody {
    /// From now on the body takes memory only as the leader, so that memory never holds two very large
    /// bodies.
    pub fn lead(&mut self) {
        self.must_lead = true;
    }

    /// Takes memory until the body holds `bytes`. If there is not enough, the body waits its turn.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), BodyRefused> {
        let wanted = if bytes <= SMALL_BYTES {
            bytes.next_multiple_of(SMALL_STEP_BYTES)
        } else {
            bytes.next_multiple_of(LARGE_STEP_BYTES) + READ_AHEAD_BYTES
        };
        let wanted = wanted.min(BODY_BYTES_MAX);
        let more = wanted.saturating_sub(self.held());
        if more == 0 {
            return Ok(());
        }
        if self.leads {
            self.reserved += more;
            return Ok(());
        }
        let shared_max = if self.must_lead {
            0
        } else if wanted <= SMALL_BYTES {
            SHARED_BYTES
        } else {
            LARGE_SHARED_BYTES
        };
        // Small bodies overtake bodies that wait for much.
        let has_turn = shared_max == SHARED_BYTES || self.budget.waiting.load(SeqCst) == 0;
        if has_turn && self.budget.take(more, shared_max) {
            self.shared += more;
            return Ok(());
        }
        Box::pin(self.wait(more, shared_max)).await
    }

    async fn wait(&mut self, more: usize, shared_max: usize) -> Result<(), BodyRefused> {
        let begun = Instant::now();
        let mut place = Place::new(&self.budget, more, shared_max);
        let granted = place.granted(WAIT_MAX).await;
        drop(place);
        self.arrival.has_waited(begun.elapsed());
        match granted {
            Some(Grant::Shared) => self.shared += more,
            Some(Grant::Leader) => {
                self.leads = true;
                self.reserved += more;
            }
            None => return Err(BodyRefused::Crowded),
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.shared + self.reserved
    }

    /// Waits for the next piece, for as long as its sender may take.
    pub async fn next<F: Future>(&mut self, piece: F) -> Result<F::Output, BodyRefused> {
        let (budget, holds) = (&self.budget, self.held() > 0);
        let others_wait = || budget.waiting.load(SeqCst) > 0;
        self.arrival.next(piece, holds, others_wait).await
    }

    /// Records that bytes arrived.
    pub fn arrived(&mut self, bytes: usize) {
        self.arrival.arrived(bytes);
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        if self.shared > 0 {
            self.budget.taken.fetch_sub(self.shared, SeqCst);
        }
        if self.leads {
            self.budget.serve(|queue| queue.has_leader = false);
        } else if self.budget.waiting.load(SeqCst) > 0 {
            self.budget.serve(|_| {});
        }
    }
}

impl Shared {
    fn take(&self, bytes: usize, shared_max: usize) -> bool {
        let more = |taken| Some(taken + bytes).filter(|taken| *taken <= shared_max);
        self.taken.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue, then grants what has become possible.
    fn serve(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue();
        change(&mut queue);
        let mut large_waits = false;
        let mut position = 0;
        while let Some(waiter) = queue.waiters.get(position) {
            let is_small = waiter.shared_max == SHARED_BYTES;
            let grant = if (is_small || !large_waits) && self.take(waiter.bytes, waiter.shared_max) {
                Some(Grant::Shared)
            } else {
                (!queue.has_leader).then_some(Grant::Leader)
            };
            large_waits |= waiter.shared_max == LARGE_SHARED_BYTES && grant.is_none();
            let Some(grant) = grant else {
                position += 1;
                continue;
            };
            queue.has_leader |= matches!(grant, Grant::Leader);
            if let Some(waiter) = queue.waiters.remove(position) {
                self.waiting.fetch_sub(1, SeqCst);
                // A waiter that is gone by now returns its grant when its place is dropped.
                let _ = waiter.granted.send(grant);
            }
        }
    }

    fn give_back(&self, grant: Grant, bytes: usize) {
        match grant {
            Grant::Shared => {
                self.taken.fetch_sub(bytes, SeqCst);
                self.serve(|_| {});
            }
            Grant::Leader => self.serve(|queue| queue.has_leader = false),
        }
    }
}

/// A place in the queue; dropping it leaves the queue.
struct Place<'a> {
    budget: &'a Shared,
    id: u64,
    bytes: usize,
    grant: Option<oneshot::Receiver<Grant>>,
}

impl<'a> Place<'a> {
    fn new(budget: &'a Shared, bytes: usize, shared_max: usize) -> Place<'a> {
        let (granted, grant) = oneshot::channel();
        let mut id = 0;
        // Counted first, so that memory returned from now on can be granted to this waiter.
        budget.waiting.fetch_add(1, SeqCst);
        budget.serve(|queue| {
            queue.last_id += 1;
            id = queue.last_id;
            queue.waiters.push_back(Waiter {
                id,
                bytes,
                shared_max,
                granted,
            });
        });
        Place {
            budget,
            id,
            bytes,
            grant: Some(grant),
        }
    }

    /// None if nothing was granted in time.
    async fn granted(&mut self, wait_max: Duration) -> Option<Grant> {
        let grant = timeout(wait_max, self.grant.as_mut()?).await.ok()?.ok();
        self.grant = None;
        grant
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(mut grant) = self.grant.take() else {
            return;
        };
        let id = self.id;
        self.budget.serve(|queue| {
            let place = queue.waiters.iter().position(|waiter| waiter.id == id);
            if place.and_then(|place| queue.waiters.remove(place)).is_some() {
                self.budget.waiting.fetch_sub(1, SeqCst);
            }
        });
        if let Ok(grant) = grant.try_recv() {
            self.budget.give_back(grant, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests;
