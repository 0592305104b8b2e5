//! Blobs as clients pull them: one that is not here goes to the client and into the store at once.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ecru_model::{Digest, ErrorCode, RegistryId, RepositoryName};
use ecru_store::{AppendError, BlobReader, Received, Tx};
use tokio::sync::mpsc;

use super::flights::Flight;
use super::manifest::{claim, is_absence, open};
use super::origin::{Origin, Source};
use super::tee::{Tee, WITHHELD_BYTES};
use super::{Trouble, UpstreamBlob, UpstreamError, upstreams};
use crate::repositories::{self, Repository};
use crate::{Context, Error, Service, images, layers};

/// How many pieces may wait for a slow client, so that a stream stays small in memory.
const PIECES_WAITING: usize = 1;

pub enum OpenedBlob {
    Stored(BlobReader),
    Arriving(Arriving),
}

/// A blob on its way from upstream. An error, or an end before `size_bytes`, says that it was not what it should be.
pub struct Arriving {
    pub size_bytes: u64,
    pub pieces: mpsc::Receiver<io::Result<Bytes>>,
}

/// `HEAD`: the size of a blob.
pub async fn find_blob(ctx: &Context, repository: &RepositoryName, digest: &Digest) -> Result<u64, Error> {
    let missing = match layers::find_blob(ctx, repository, digest).await {
        Err(error) if is_absence(&error) => error,
        here => return here,
    };
    match size_upstream(ctx, "BatchCheckLayerAvailability", repository, digest).await {
        Ok(size) => size.ok_or(missing),
        Err(trouble) => Err(trouble.answer(missing, ErrorCode::UnableToGetUpstreamLayerException)),
    }
}

async fn size_upstream(
    ctx: &Context,
    action: &'static str,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<u64>, Trouble> {
    let Some(claim) = claim(ctx, ctx.access(action, None), name)? else {
        return Ok(None);
    };
    let source = claim.source?;
    match &source.origin {
        Origin::Here { .. } => source.size_here(ctx, digest).map(Some),
        Origin::Elsewhere(upstream) => Ok(upstreams(ctx)?.blob_size(upstream, &source.name, digest).await?),
    }
}

/// Whether a layer that is not here can be fetched for whoever is given its address.
pub(crate) async fn offers_layer(
    ctx: &Context,
    registry_id: Option<&RegistryId>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<bool, Error> {
    let Some(claim) = claim(ctx, ctx.access("GetDownloadUrlForLayer", registry_id), name)? else {
        return Ok(false);
    };
    let offered = match claim.source {
        Ok(source) => match &source.origin {
            Origin::Here { .. } => source.size_here(ctx, digest).map(drop),
            Origin::Elsewhere(upstream) => match upstreams(ctx) {
                Ok(upstreams) => upstreams
                    .blob_size(upstream, &source.name, digest)
                    .await
                    .map(drop)
                    .map_err(Trouble::from),
                Err(error) => Err(error.into()),
            },
        },
        Err(trouble) => Err(trouble),
    };
    match offered {
        Ok(()) => Ok(true),
        Err(Trouble::Upstream(UpstreamError::NotFound)) => Ok(false),
        Err(Trouble::Registry(error)) => Err(error),
        Err(trouble) => Err(Error::new(
            ErrorCode::UnableToGetUpstreamLayerException,
            format!(
                "There was an issue getting the upstream layer matching the pull through cache rule: {}",
                trouble.sentence()
            ),
        )),
    }
}

/// Brings layers that a push counts on, because the client was told that they exist. Says whether any came.
pub(crate) async fn bring_layers(
    ctx: &Context,
    name: &RepositoryName,
    digests: &[Digest],
) -> Result<bool, Error> {
    let mut came = false;
    for digest in digests {
        let access = ctx.access("GetDownloadUrlForLayer", None);
        let Some(claim) = claim(ctx, access, name)? else {
            break;
        };
        let (Ok(source), Some(repository)) = (claim.source, claim.repository) else {
            break;
        };
        let linked = ctx
            .store
            .read(|at| layers::find_linked(&ctx.store, at, &repository, digest))?;
        if linked.is_some() {
            continue;
        }
        let target = Target {
            service: Arc::clone(&ctx.service),
            repository,
            digest: *digest,
        };
        match target.bring(&source, |_| Ok(())).await {
            Ok(()) => came = true,
            Err(Trouble::Registry(error)) => return Err(error),
            Err(trouble) => {
                tracing::info!(
                    reason = trouble.sentence(),
                    "a layer that is to be pushed did not come"
                );
                break;
            }
        }
    }
    Ok(came)
}

/// `GET`: never bytes that are not the digest's, but for those that came before the last of them.
pub async fn open_blob(
    ctx: &Context,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<OpenedBlob, Error> {
    let missing = match layers::open_blob(ctx, repository, digest).await {
        Err(error) if is_absence(&error) => error,
        here => return here.map(OpenedBlob::Stored),
    };
    match fetch(ctx, repository, digest).await {
        Ok(Some(arriving)) => Ok(OpenedBlob::Arriving(arriving)),
        Ok(None) => match layers::open_blob(ctx, repository, digest).await {
            Err(error) if is_absence(&error) => Err(missing),
            here => here.map(OpenedBlob::Stored),
        },
        Err(trouble) => Err(trouble.answer(missing, ErrorCode::UnableToGetUpstreamLayerException)),
    }
}

/// None when the blob is in the store, or when nobody fetches it.
async fn fetch(ctx: &Context, name: &RepositoryName, digest: &Digest) -> Result<Option<Arriving>, Trouble> {
    let Some(claim) = claim(ctx, ctx.access("GetDownloadUrlForLayer", None), name)? else {
        return Ok(None);
    };
    let source = claim.source?;
    let opened = match &source.origin {
        Origin::Here { .. } => {
            source.size_here(ctx, digest)?;
            None
        }
        Origin::Elsewhere(upstream) => Some(upstreams(ctx)?.blob(upstream, &source.name, digest).await?),
    };
    let (access, name, quotas) = (claim.access, name.clone(), ctx.configuration.quotas);
    let repository = match claim.repository {
        Some(repository) => repository,
        None => {
            ctx.store
                .write(move |tx| open(tx, &access, &name, &quotas))
                .await?
        }
    };
    let target = Target {
        service: Arc::clone(&ctx.service),
        repository,
        digest: *digest,
    };
    let Some(blob) = opened else {
        target.link(source).await?;
        return Ok(None);
    };
    // One that is on its way already is given to this client too, at the cost of fetching it twice.
    let flight = ctx.caching.flights.begin((target.repository.id, *digest)).ok();
    match blob.size_bytes {
        Some(size_bytes) if size_bytes > WITHHELD_BYTES as u64 => {
            Ok(Some(target.stream(blob, size_bytes, flight)))
        }
        // What would wait for its last byte anyway is verified first, so that a failure can still be told.
        _ => target.receive(blob, |_| Ok(())).await.map(|()| None),
    }
}

/// A blob and the repository that is to have it.
pub(super) struct Target {
    pub(super) service: Arc<Service>,
    pub(super) repository: Repository,
    pub(super) digest: Digest,
}

impl Target {
    fn stream(self, blob: UpstreamBlob, size_bytes: u64, flight: Option<Flight>) -> Arriving {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING);
        let mut tee = Tee::new(blob.pieces, blob.size_bytes, Some(sender));
        tokio::spawn(async move {
            let stored = match self.take(&mut tee).await {
                Ok(received) => self.publish(received, |_| Ok(())).await,
                Err(trouble) => Err(trouble),
            };
            drop(flight);
            match stored {
                Ok(()) => tee.release().await,
                Err(trouble) => {
                    tracing::warn!(reason = trouble.sentence(), "a layer from upstream was not kept");
                    tee.break_off().await;
                }
            }
        });
        Arriving { size_bytes, pieces }
    }

    /// From wherever it is.
    pub(super) async fn bring(
        self,
        source: &Source,
        check: impl Fn(&Tx<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Trouble> {
        let Origin::Elsewhere(upstream) = &source.origin else {
            return self.link(source.clone()).await;
        };
        let blob = upstreams(&self.service)?
            .blob(upstream, &source.name, &self.digest)
            .await?;
        self.receive(blob, check).await
    }

    /// Stores a blob of which nobody is given anything before. `check` looks at the transaction first.
    async fn receive(
        &self,
        blob: UpstreamBlob,
        check: impl Fn(&Tx<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Trouble> {
        let received = self
            .take(&mut Tee::new(blob.pieces, blob.size_bytes, None))
            .await?;
        self.publish(received, check).await
    }

    async fn take(&self, tee: &mut Tee) -> Result<Received, Trouble> {
        let limit = layers::layer_bytes_max(&self.service);
        let uploads = self.service.store.uploads();
        let received = uploads.receive(self.digest.algorithm(), tee, limit).await;
        let received = received.map_err(|error| match error {
            AppendError::Source(error) => UpstreamError::Unavailable(error.into()).into(),
            AppendError::TooLarge => UpstreamError::Unusable("a layer that is too large").into(),
            AppendError::Gone => Trouble::Registry(Error::server("a layer could not be received")),
            AppendError::Store(error) => Trouble::from(error),
        })?;
        if *received.digest() != self.digest {
            return Err(UpstreamError::Unusable("a layer of another digest").into());
        }
        Ok(received)
    }

    async fn publish(
        &self,
        received: Received,
        check: impl Fn(&Tx<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Trouble> {
        let (store, wanted) = (self.service.store.clone(), self.repository.clone());
        let machine_now = self.service.clock.machine_milliseconds();
        self.service
            .store
            .write(move |tx| {
                check(tx)?;
                let repository = still_there(tx, &wanted)?;
                Ok::<_, Error>(layers::publish(&store, tx, &repository, &received, machine_now)?)
            })
            .await?;
        Ok(())
    }

    /// Lets the repository read what one of another registry here has.
    async fn link(&self, source: Source) -> Result<(), Trouble> {
        let (wanted, digest, moment) = (self.repository.clone(), self.digest, self.service.clock.moment());
        self.service
            .store
            .write(move |tx| {
                let from = source.repository_here(moment.now, tx, "GetDownloadUrlForLayer")?;
                let to = still_there(tx, &wanted)?;
                images::copy::link_layers(tx, &from, &to, &[digest], moment.machine_now)?;
                Ok(())
            })
            .await
    }
}

fn still_there(tx: &Tx<'_>, wanted: &Repository) -> Result<Repository, Error> {
    let found = repositories::find(tx, &wanted.scope, &wanted.name)?;
    found
        .filter(|found| found.id == wanted.id)
        .ok_or_else(|| repositories::not_found(&wanted.scope, &wanted.name))
}

impl Source {
    fn size_here(&self, service: &Service, digest: &Digest) -> Result<u64, Trouble> {
        service.store.read(|at| {
            let repository = self.repository_here(service.clock.now(), at, "GetDownloadUrlForLayer")?;
            let blob = layers::find_linked(&service.store, at, &repository, digest)?;
            Ok(blob.ok_or(UpstreamError::NotFound)?.size)
        })
    }
}
