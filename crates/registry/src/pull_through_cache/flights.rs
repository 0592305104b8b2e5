//! Blobs that are on their way, so that what a client is being given is not fetched a second time beside it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecru_model::Digest;
use tokio::sync::watch;

/// A repository and a blob that it is to have.
type Key = (i64, Digest);

#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<Key, watch::Receiver<()>>>>);

/// Held while a blob is on its way.
pub(super) struct Flight {
    flights: Flights,
    key: Key,
    _landing: watch::Sender<()>,
}

/// The blob is on its way already.
pub(super) struct UnderWay(watch::Receiver<()>);

impl Flights {
    pub(super) fn begin(&self, key: Key) -> Result<Flight, UnderWay> {
        let mut flights = self.lock();
        if let Some(under_way) = flights.get(&key) {
            return Err(UnderWay(under_way.clone()));
        }
        let (landing, landed) = watch::channel(());
        flights.insert(key, landed);
        Ok(Flight {
            flights: self.clone(),
            key,
            _landing: landing,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

impl UnderWay {
    /// Until it has landed or failed.
    pub(super) async fn ended(mut self) {
        // Nothing is ever sent: the end of the sender is what wakes.
        let _ = self.0.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blob_is_on_its_way_once_in_each_repository() {
        let flights = Flights::default();
        let digest = Digest::of(b"blob");
        let first = flights.begin((1, digest)).ok().expect("nobody else");
        let second = flights.begin((1, digest)).err().expect("somebody else");
        assert!(flights.begin((2, digest)).is_ok());
        drop(first);
        second.ended().await;
        assert!(flights.begin((1, digest)).is_ok());
    }
}
