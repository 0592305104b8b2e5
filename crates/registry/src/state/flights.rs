//! Blobs that are being fetched from upstream. Each repository and digest has one flight, which all its clients follow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ecru_model::{Digest, ErrorCode, RepositoryName, Scope};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::Error;
use crate::ports::trouble::Trouble;

/// Each flight holds a connection, a file and at most a megabyte.
const FLIGHTS_MAX: usize = 32;
/// How long a blob waits for one of these places.
const PLACE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a client waits for a flight that another client began.
const FOLLOWING_PATIENCE: Duration = Duration::from_mins(10);

/// A blob and the repository that will get it.
pub(crate) type Key = (Scope, RepositoryName, Digest);

#[derive(Clone)]
pub(crate) struct Flights {
    under_way: Arc<Mutex<HashMap<Key, watch::Receiver<Option<Landed>>>>>,
    places: Arc<Semaphore>,
}

/// The end of a flight.
#[derive(Clone)]
enum Landed {
    Stored,
    Failed(Arc<Trouble>),
}

/// Held by the task that fetches a blob.
pub(crate) struct Flight {
    flights: Flights,
    key: Key,
    landing: watch::Sender<Option<Landed>>,
}

/// Waits for the end of a flight.
pub(crate) struct Follower(watch::Receiver<Option<Landed>>);

impl Default for Flights {
    fn default() -> Self {
        Self {
            under_way: Arc::default(),
            places: Arc::new(Semaphore::new(FLIGHTS_MAX)),
        }
    }
}

impl Flights {
    /// If a flight is returned, the caller must fetch the blob.
    pub(crate) fn join(&self, key: Key) -> (Follower, Option<Flight>) {
        let mut under_way = self.lock();
        if let Some(landed) = under_way.get(&key) {
            return (Follower(landed.clone()), None);
        }
        let (landing, landed) = watch::channel(None);
        under_way.insert(key.clone(), landed.clone());
        let flight = Flight {
            flights: self.clone(),
            key,
            landing,
        };
        (Follower(landed), Some(flight))
    }

    /// Waits for a free place.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        let place = timeout(PLACE_PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(busy)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Option<Landed>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Reports the outcome to all followers.
    pub(crate) fn land(self, outcome: &Result<(), Trouble>) {
        let landed = match outcome {
            Ok(()) => Landed::Stored,
            Err(trouble) => Landed::Failed(Arc::new(trouble.again())),
        };
        self.landing.send_replace(Some(landed));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

impl Follower {
    pub(crate) async fn landed(mut self) -> Result<(), Trouble> {
        let landed = timeout(FOLLOWING_PATIENCE, self.0.wait_for(Option::is_some)).await;
        match landed.map_err(|_| busy())? {
            Ok(landed) => match &*landed {
                Some(Landed::Failed(trouble)) => Err(trouble.again()),
                _ => Ok(()),
            },
            // The flight ended by a panic, without reporting an outcome.
            Err(_) => Err(Error::server("a layer could not be fetched").into()),
        }
    }
}

fn busy() -> Trouble {
    Trouble::Registry(Error::new(
        ErrorCode::ThrottlingException,
        "The registry is fetching as many layers from upstream registries as it can. Try again later.",
    ))
}

#[cfg(test)]
mod tests {
    use ecru_model::{Region, RegistryId};

    use super::*;
    use crate::ports::upstreams::UpstreamError;

    fn key(name: &str) -> Key {
        let scope = Scope {
            registry_id: RegistryId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        (scope, RepositoryName::parse(name).unwrap(), Digest::of(b"blob"))
    }

    #[tokio::test]
    async fn a_blob_is_on_its_way_once_in_each_repository_and_all_learn_how_it_ended() {
        let flights = Flights::default();
        let (first, flight) = flights.join(key("first"));
        let (second, other) = flights.join(key("first"));
        assert!(other.is_none() && flights.join(key("second")).1.is_some());
        flight
            .unwrap()
            .land(&Err(UpstreamError::Unusable("no good").into()));
        for follower in [first, second] {
            let trouble = follower.landed().await.unwrap_err();
            assert!(matches!(
                trouble,
                Trouble::Upstream(UpstreamError::Unusable("no good"))
            ));
        }
        let (follower, flight) = flights.join(key("first"));
        flight.unwrap().land(&Ok(()));
        assert!(follower.landed().await.is_ok());
        let (follower, flight) = flights.join(key("first"));
        drop(flight);
        assert!(matches!(follower.landed().await, Err(Trouble::Registry(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_on_their_way_and_the_others_are_asked_to_come_again() {
        let flights = Flights::default();
        let mut places = Vec::new();
        for _ in 0..FLIGHTS_MAX {
            places.push(flights.place().await.unwrap());
        }
        let refused = flights.place().await.unwrap_err();
        assert!(matches!(refused, Trouble::Registry(error) if error.code == ErrorCode::ThrottlingException));
        let (waiting, ()) = tokio::join!(flights.place(), async { drop(places.pop()) });
        assert!(waiting.is_ok());
    }
}
