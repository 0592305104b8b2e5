//! Places for uploads whose bytes are being received. Each upload costs a connection, a file and a buffer before the file, so the
//! process bounds their number.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use ecru_platform::bodies::{Arrival, BodyRefused};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

const WAIT_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct UploadPlaces {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// One place, returned when this is dropped.
#[derive(Debug)]
pub struct UploadPlace {
    waiting: Arc<AtomicUsize>,
    arrival: Arrival,
    _permit: OwnedSemaphorePermit,
}

/// Counts a waiting upload until dropped.
struct Waiter<'a>(&'a AtomicUsize);

impl UploadPlaces {
    pub fn new(count: usize) -> UploadPlaces {
        UploadPlaces {
            free: Arc::new(Semaphore::new(count)),
            waiting: Arc::default(),
        }
    }

    /// Takes a place. Uploads that find none free wait in order, at most 30 s.
    pub async fn take(&self) -> Result<UploadPlace, BodyRefused> {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => Box::pin(self.wait()).await.ok_or(BodyRefused::Crowded)?,
        };
        Ok(UploadPlace {
            waiting: Arc::clone(&self.waiting),
            arrival: Arrival::default(),
            _permit: permit,
        })
    }

    async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        let _waiter = Waiter::count(&self.waiting);
        let permit = timeout(WAIT_MAX, Arc::clone(&self.free).acquire_owned());
        permit.await.ok()?.ok()
    }
}

impl UploadPlace {
    /// Waits for the next piece, for as long as its sender may take.
    pub async fn next<F: Future>(&mut self, piece: F) -> Result<F::Output, BodyRefused> {
        let others_wait = || self.waiting.load(SeqCst) > 0;
        self.arrival.next(piece, true, others_wait).await
    }

    /// Records that bytes arrived.
    pub fn arrived(&mut self, bytes: usize) {
        self.arrival.arrived(bytes);
    }
}

impl<'a> Waiter<'a> {
    fn count(waiting: &'a AtomicUsize) -> Waiter<'a> {
        waiting.fetch_add(1, SeqCst);
        Waiter(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_more_than_there_are_places_waits_for_thirty_seconds_and_is_refused() {
        let places = UploadPlaces::new(2);
        let _held = (places.take().await.unwrap(), places.take().await.unwrap());
        let begun = Instant::now();
        assert_eq!(places.take().await.err(), Some(BodyRefused::Crowded));
        assert_eq!(begun.elapsed(), WAIT_MAX);
        assert_eq!(places.waiting.load(SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_wait_get_places_in_their_order() {
        let places = UploadPlaces::new(1);
        let held = places.take().await.unwrap();
        let (mut first, mut second) = (Box::pin(places.take()), Box::pin(places.take()));
        for waiting in [&mut first, &mut second] {
            assert!(timeout(Duration::from_secs(1), waiting).await.is_err());
        }
        drop(held);
        assert!(timeout(Duration::from_secs(1), &mut second).await.is_err());
        drop(first.await.unwrap());
        assert!(second.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_upload_keeps_its_place_until_another_waits_for_it() {
        let places = UploadPlaces::new(1);
        let mut slow = places.take().await.unwrap();
        for _ in 0..10 {
            assert_eq!(slow.next(sleep(Duration::from_secs(50))).await, Ok(()));
            slow.arrived(1);
        }
        let begun = Instant::now();
        let receives = async {
            let refused = slow.next(pending::<()>()).await;
            drop(slow);
            refused
        };
        let (taken, refused) = tokio::join!(places.take(), receives);
        assert_eq!(refused, Err(BodyRefused::Slow));
        assert!(taken.is_ok() && begun.elapsed() < Duration::from_secs(8));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_leaves_the_queue_is_waited_for_no_more() {
        let places = UploadPlaces::new(1);
        let mut held = places.take().await.unwrap();
        assert!(timeout(Duration::from_secs(1), places.take()).await.is_err());
        assert_eq!(held.next(pending::<()>()).await, Err(BodyRefused::Silent));
    }
}
