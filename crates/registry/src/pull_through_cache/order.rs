//! Fetches a blob from another registry into the store, and to the client that asked first.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use ecru_store::{AppendError, BlobContent, Received, Tx};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::blob::Arriving;
use super::manifest::open;
use super::tee::{Client, Tee, WITHHELD_BYTES};
use super::{Trouble, Upstream, UpstreamBlob, UpstreamError, upstreams};
use crate::access::Access;
use crate::records::repositories::{self, Repository};
use crate::state::flights::{Flight, Key};
use crate::{Error, Service, stored_layers};

/// The number of pieces that may wait for a slow client, so that a stream needs little memory.
const PIECES_WAITING: usize = 1;
const READ_BYTES: usize = 64 * 1024;

/// A blob of another registry, and the repository that will get it.
pub(super) struct Order {
    pub(super) service: Arc<Service>,
    pub(super) upstream: Upstream,
    /// The name of the repository upstream.
    pub(super) source: String,
    pub(super) key: Key,
    /// The caller on whose behalf a missing repository is created.
    pub(super) access: Option<Access>,
    /// The size of the blob according to a manifest.
    pub(super) size_max: Option<u64>,
}

/// None if the blob is in the store.
type Answer = Result<Option<Arriving>, Trouble>;

struct Begun {
    blob: UpstreamBlob,
    repository: Repository,
    limit_bytes: u64,
    _place: OwnedSemaphorePermit,
}

impl Order {
    /// Fetches the blob for a client, which gets it while it arrives. Later clients get it once it is stored.
    pub(super) async fn stream(self) -> Answer {
        let (follower, flight) = self.service.caching.flights.join(self.key.clone());
        let Some(flight) = flight else {
            return follower.landed().await.map(|()| None);
        };
        let (client, answer) = oneshot::channel();
        // The flight continues if the client disconnects: the next client would only start again.
        tokio::spawn(self.fly(flight, Some(client)));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(Error::server("a layer could not be fetched").into()),
        }
    }

    /// Fetches the blob into the store only.
    pub(super) async fn bring(self) -> Result<(), Trouble> {
        let (follower, flight) = self.service.caching.flights.join(self.key.clone());
        if let Some(flight) = flight {
            tokio::spawn(self.fly(flight, None));
        }
        follower.landed().await
    }

    async fn fly(self, flight: Flight, client: Option<oneshot::Sender<Answer>>) {
        let begun = match self.begin().await {
            Ok(Some(begun)) => begun,
            nothing => {
                let outcome = nothing.map(drop);
                flight.land(&outcome);
                answer(client, outcome);
                return;
            }
        };
        let Begun {
            blob,
            repository,
            limit_bytes,
            _place: place,
        } = begun;
        let size_bytes = blob.size_bytes;
        // If all of the blob would be withheld until the end, it is verified first, so that a failure can
        // still be reported.
        let streamed = size_bytes.filter(|size| *size > WITHHELD_BYTES as u64);
        let (stream, client) = match (streamed, client) {
            (Some(size_bytes), Some(client)) => {
                let (sender, pieces) = mpsc::channel(PIECES_WAITING);
                let _ = client.send(Ok(Some(Arriving { size_bytes, pieces })));
                (Some(sender), None)
            }
            (_, client) => (None, client),
        };
        let mut tee = Tee::new(blob.pieces, size_bytes, stream);
        let stored = match self.take(&mut tee, limit_bytes).await {
            Ok(received) => self.publish(&repository, received).await,
            Err(trouble) => Err(trouble),
        };
        drop(place);
        flight.land(&stored);
        match (&stored, tee.end()) {
            (Ok(()), Some(client)) => self.give_rest(&repository, client).await,
            (Err(_), Some(client)) => client.break_off().await,
            (_, None) => {}
        }
        if let Err(trouble) = &stored {
            tracing::warn!(
                reason = trouble.sentence(),
                "a layer from upstream was not stored"
            );
        }
        answer(client, stored);
    }

    /// None if the blob is stored here, because another flight just ended.
    async fn begin(&self) -> Result<Option<Begun>, Trouble> {
        let place = self.service.caching.flights.place().await?;
        if self.is_here().await? {
            return Ok(None);
        }
        let asked = upstreams(&self.service)?.blob(&self.upstream, &self.source, &self.key.2);
        let absences = &self.service.caching.absences;
        let blob = absences.ask(self.key.clone(), asked).await?;
        let limit_bytes = self.limit();
        if blob.size_bytes.is_some_and(|size| size > limit_bytes) {
            return Err(self.too_large());
        }
        Ok(Some(Begun {
            repository: self.repository().await?,
            blob,
            limit_bytes,
            _place: place,
        }))
    }

    async fn is_here(&self) -> Result<bool, Trouble> {
        let (scope, name, digest) = &self.key;
        let store = &self.service.store;
        store
            .read(|at| {
                let Some(repository) = repositories::find(at, scope, name)? else {
                    return Ok(false);
                };
                let found = stored_layers::find_linked(store, at, &repository, digest)?;
                Ok(found.is_some_and(|blob| blob.is_intact()))
            })
            .await
    }

    /// The repository; created if it is missing, now that the upstream has an image for it.
    async fn repository(&self) -> Result<Repository, Trouble> {
        let (scope, name, _) = self.key.clone();
        let (access, quotas) = (self.access.clone(), self.service.configuration.quotas);
        let found = match access {
            Some(access) => {
                let opening = move |tx: &Tx<'_>| open(tx, &access, &name, &quotas);
                self.service.store.write(opening).await?
            }
            None => {
                self.service
                    .store
                    .read(|at| {
                        let found = repositories::find(at, &scope, &name)?;
                        found.ok_or_else(|| repositories::not_found(&scope, &name))
                    })
                    .await?
            }
        };
        Ok(found)
    }

    fn limit(&self) -> u64 {
        let quota = stored_layers::layer_bytes_max(&self.service);
        self.size_max.map_or(quota, |size| size.min(quota))
    }

    fn too_large(&self) -> Trouble {
        let why = match self.size_max {
            Some(_) => "a layer that is larger than its manifest says",
            None => "a layer that is too large",
        };
        UpstreamError::Unusable(why).into()
    }

    async fn take(&self, tee: &mut Tee, limit_bytes: u64) -> Result<Received, Trouble> {
        let uploads = self.service.store.uploads();
        let digest = self.key.2;
        let received = uploads.receive(digest.algorithm(), tee, limit_bytes).await;
        let received = received.map_err(|error| match error {
            AppendError::Source(error) => UpstreamError::Unavailable(error.into()).into(),
            AppendError::TooLarge => self.too_large(),
            AppendError::Gone => Trouble::Registry(Error::server("a layer could not be received")),
            AppendError::Store(error) => Trouble::from(error),
        })?;
        if *received.digest() != digest {
            return Err(UpstreamError::Unusable("a layer of another digest").into());
        }
        Ok(received)
    }

    async fn publish(&self, repository: &Repository, received: Received) -> Result<(), Trouble> {
        let (store, wanted) = (self.service.store.clone(), repository.clone());
        let machine_now = self.service.clock.machine_milliseconds();
        self.service
            .store
            .write(move |tx| {
                let repository = still_there(tx, &wanted)?;
                Ok::<_, Error>(stored_layers::publish(
                    &store,
                    tx,
                    &repository,
                    &received,
                    machine_now,
                )?)
            })
            .await?;
        Ok(())
    }

    /// A client that was too slow for the flight reads the rest from the store.
    async fn give_rest(&self, repository: &Repository, client: Client) {
        let client = match client.release().await {
            Ok(()) => return,
            Err(slow) => slow,
        };
        match self.open_file(repository).await {
            Ok(content) => read_on(client, content).await,
            Err(trouble) => {
                tracing::warn!(reason = trouble.sentence(), "a layer could not be sent on");
                client.break_off().await;
            }
        }
    }

    async fn open_file(&self, repository: &Repository) -> Result<BlobContent, Trouble> {
        let store = &self.service.store;
        let found = store
            .read(|at| stored_layers::find_linked(store, at, repository, &self.key.2))
            .await;
        let blob = found?.ok_or(UpstreamError::NotFound)?;
        let opened = store.blobs().open(&blob).await;
        let opened = opened.map_err(|error| Error::server("a layer could not be read").caused_by(error))?;
        Ok(opened.into_content())
    }
}

fn answer(client: Option<oneshot::Sender<Answer>>, outcome: Result<(), Trouble>) {
    if let Some(client) = client {
        // The client may have disconnected.
        let _ = client.send(outcome.map(|()| None));
    }
}

/// Sends the bytes from the client's position to the end of the blob.
async fn read_on(mut client: Client, content: BlobContent) {
    let mut at = client.given_bytes();
    let file = match content {
        BlobContent::File(file) => Arc::new(file),
        BlobContent::Bytes(bytes) => {
            let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
            let rest = Bytes::copy_from_slice(rest.unwrap_or_default());
            let _ = client.give(rest).await;
            return;
        }
    };
    loop {
        match read_at(Arc::clone(&file), at).await {
            Ok(piece) if piece.is_empty() => return,
            Ok(piece) => {
                at += piece.len() as u64;
                if client.give(piece).await.is_err() {
                    return;
                }
            }
            Err(_) => return client.break_off().await,
        }
    }
}

async fn read_at(file: Arc<File>, at: u64) -> io::Result<Bytes> {
    let read = spawn_blocking(move || {
        let mut piece = vec![0; READ_BYTES];
        let length = file.read_at(&mut piece, at)?;
        piece.truncate(length);
        Ok(Bytes::from(piece))
    });
    read.await.map_err(io::Error::other)?
}

pub(super) fn still_there(tx: &Tx<'_>, wanted: &Repository) -> Result<Repository, Error> {
    let found = repositories::find(tx, &wanted.scope, &wanted.name)?;
    found
        .filter(|found| found.id == wanted.id)
        .ok_or_else(|| repositories::not_found(&wanted.scope, &wanted.name))
}
