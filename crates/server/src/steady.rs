//! Polls a connection again immediately if it has woken itself.
//!
//! A request and its body are two ends of channels within one task. The task wakes itself when it passes data
//! from one end to the other. The runtime treats this as new work: it wakes another thread, which takes over
//! the connection, and the next bytes find a cold cache.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::task::coop;

/// After this many polls, other tasks run.
const POLLS_MAX: usize = 8;

/// Polls a future again immediately if it was woken while it was polled.
pub(crate) struct Steady<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

impl<F> Steady<F> {
    pub(crate) fn new(future: F) -> Steady<F> {
        let wakes = Arc::new(Wakes {
            state: AtomicU8::new(RESTING),
            task: Mutex::new(None),
        });
        Steady {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
        }
    }

    pub(crate) fn future(&mut self) -> Pin<&mut F> {
        self.future.as_mut()
    }
}

impl<F: Future> Future for Steady<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.wakes.belong_to(context.waker());
        for _ in 0..POLLS_MAX {
            this.wakes.state.store(POLLED, Ordering::Release);
            let polled = this.future.as_mut().poll(&mut Context::from_waker(&this.waker));
            let woken = this.wakes.state.swap(RESTING, Ordering::AcqRel) == WOKEN;
            if polled.is_ready() || !woken {
                return polled;
            }
            if !coop::has_budget_remaining() {
                break;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

const RESTING: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

struct Wakes {
    state: AtomicU8,
    /// The waker to call while the future waits.
    task: Mutex<Option<Waker>>,
}

impl Wakes {
    fn belong_to(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = self
            .state
            .compare_exchange(POLLED, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if noted == Err(RESTING) {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(task) = task.as_ref() {
                task.wake_by_ref();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, hint, sync::atomic::AtomicUsize, thread, time::Duration};

    use tokio::sync::oneshot;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The future wakes itself `wakes` times before it is ready. Returns the number of immediate polls, and
    /// the number of wakes of its task.
    fn poll_once(wakes: usize) -> (Poll<()>, usize, usize) {
        let mut polls = 0;
        let mut future = Steady::new(poll_fn(|context| {
            polls += 1;
            if polls > wakes {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        let task = Arc::new(Counted::default());
        let outcome = Pin::new(&mut future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(&task))));
        drop(future);
        (outcome, polls, task.0.load(Ordering::Relaxed))
    }

    #[test]
    fn its_own_wakes_do_not_reach_its_task() {
        assert_eq!(poll_once(0), (Poll::Ready(()), 1, 0));
        assert_eq!(poll_once(3), (Poll::Ready(()), 4, 0));
    }

    #[test]
    fn one_that_never_stops_lets_others_in() {
        assert_eq!(poll_once(usize::MAX), (Poll::Pending, POLLS_MAX, 1));
    }

    #[tokio::test]
    async fn wakes_of_others_reach_its_task_at_any_moment() {
        for turns in 0..500 {
            let (sender, receiver) = oneshot::channel();
            let other = thread::spawn(move || {
                for _ in 0..turns * 20 {
                    hint::spin_loop();
                }
                sender.send(turns)
            });
            let future = Steady::new(async {
                tokio::task::yield_now().await;
                receiver.await
            });
            let outcome = tokio::time::timeout(Duration::from_secs(10), future).await;
            assert_eq!(outcome.expect("it is woken"), Ok(turns));
            other.join().expect("it ends").expect("it is received");
        }
    }
}
