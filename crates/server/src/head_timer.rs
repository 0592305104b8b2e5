//! Limits the time for the head of a request, with one timer for each connection instead of one for each
//! request.
//!
//! hyper creates a timer after each answer and drops it when the next head arrives. A timer of the runtime
//! takes a lock that all threads share, and may wake a thread. Here a connection's timer is left unchanged
//! until it fires. It is then set to the deadline that is current at that time.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// The timer of one connection. Each deadline must be later than the ones before.
#[derive(Clone, Default)]
pub(crate) struct HeadTimer {
    alarm: Arc<Mutex<Option<Pin<Box<time::Sleep>>>>>,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Waiting {
            timer: self.clone(),
            deadline,
        })
    }

    fn now(&self) -> Instant {
        time::Instant::now().into()
    }
}

struct Waiting {
    timer: HeadTimer,
    deadline: Instant,
}

impl Sleep for Waiting {}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline.into();
        let mut alarm = self.timer.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(time::sleep_until(deadline)));
        ready!(alarm.as_mut().poll(context));
        if alarm.deadline() >= deadline {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(deadline);
        alarm.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn waits_to_the_last_deadline_whatever_was_awaited_before() {
        let timer = HeadTimer::default();
        let begun = time::Instant::now();
        for _ in 0..10 {
            let first = timer.sleep(TIMEOUT);
            assert!(time::timeout(Duration::from_secs(7), first).await.is_err());
        }
        timer.sleep(TIMEOUT).await;
        assert_eq!(begun.elapsed().as_secs(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_again_after_it_has_rung() {
        let timer = HeadTimer::default();
        let begun = time::Instant::now();
        timer.sleep(TIMEOUT).await;
        timer.sleep(TIMEOUT).await;
        assert_eq!(begun.elapsed().as_secs(), 60);
    }
}
