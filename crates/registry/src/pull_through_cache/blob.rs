//! Blobs for clients: a blob that is not stored here goes to the client and into the store at the same time.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ecru_model::{Digest, ErrorCode, RegistryId, RepositoryName};
use ecru_store::BlobReader;
use tokio::sync::mpsc;

use super::manifest::{Claim, claim, is_absence, open};
use super::order::{Order, still_there};
use super::origin::{Origin, Source};
use super::{Trouble, Upstream, UpstreamError, upstreams};
use crate::records::repositories::Repository;
use crate::{Context, Error, Service, stored_images, stored_layers};

pub enum OpenedBlob {
    Stored(BlobReader),
    Arriving(Arriving),
}

/// A blob on its way from upstream. An error, or an end before `size_bytes`, means that the bytes were wrong.
pub struct Arriving {
    pub size_bytes: u64,
    pub pieces: mpsc::Receiver<io::Result<Bytes>>,
}

/// `HEAD`: the size of a blob.
pub async fn find_blob(ctx: &Context, repository: &RepositoryName, digest: &Digest) -> Result<u64, Error> {
    let missing = match stored_layers::find_blob(ctx, repository, digest).await {
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
    let Some(claim) = claim(ctx, ctx.access(action, None), name).await? else {
        return Ok(None);
    };
    size_of_claim(ctx, claim, name, digest).await
}

/// None if the upstream does not report it.
async fn size_of_claim(
    ctx: &Context,
    claim: Claim,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<u64>, Trouble> {
    let source = claim.source?;
    match &source.origin {
        Origin::Here { .. } => source.size_here(ctx, digest).await.map(Some),
        Origin::Elsewhere(upstream) => {
            let asked = upstreams(ctx)?.blob_size(upstream, &source.name, digest);
            let key = (claim.access.scope.clone(), name.clone(), *digest);
            Ok(ctx.caching.absences.ask(key, asked).await?)
        }
    }
}

/// Whether a layer that is not stored here can be fetched by a client that gets its address.
pub(crate) async fn offers_layer(
    ctx: &Context,
    registry_id: Option<&RegistryId>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<bool, Error> {
    let Some(claim) = claim(ctx, ctx.access("GetDownloadUrlForLayer", registry_id), name).await? else {
        return Ok(false);
    };
    match size_of_claim(ctx, claim, name, digest).await {
        Ok(_) => Ok(true),
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

/// Fetches layers that a push relies on because an earlier answer said that they exist. Returns whether any
/// was fetched.
pub(crate) async fn bring_layers(
    ctx: &Context,
    name: &RepositoryName,
    digests: &[Digest],
) -> Result<bool, Error> {
    let mut came = false;
    for digest in digests {
        let access = ctx.access("GetDownloadUrlForLayer", None);
        let Some(claim) = claim(ctx, access, name).await? else {
            break;
        };
        let (Ok(source), Some(repository)) = (claim.source, claim.repository) else {
            break;
        };
        let linked = ctx
            .store
            .read(|at| stored_layers::find_linked(&ctx.store, at, &repository, digest))
            .await?;
        if linked.is_some() {
            continue;
        }
        let target = Target {
            service: Arc::clone(&ctx.service),
            size_max: ctx.caching.sizes.find(&repository.scope, name, *digest),
            repository,
            digest: *digest,
        };
        match target.bring(&source).await {
            Ok(()) => came = true,
            Err(Trouble::Registry(error)) => return Err(error),
            Err(trouble) => {
                tracing::info!(
                    reason = trouble.sentence(),
                    "a layer that a push needs could not be fetched"
                );
                break;
            }
        }
    }
    Ok(came)
}

/// `GET`: returns only bytes that match the digest. But while a blob is on its way, bytes are sent before its
/// last bytes are verified.
pub async fn open_blob(
    ctx: &Context,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<OpenedBlob, Error> {
    let missing = match stored_layers::open_blob(ctx, repository, digest).await {
        Err(error) if is_absence(&error) => error,
        here => return here.map(OpenedBlob::Stored),
    };
    match fetch(ctx, repository, digest).await {
        Ok(Some(arriving)) => Ok(OpenedBlob::Arriving(arriving)),
        Ok(None) => match stored_layers::open_blob(ctx, repository, digest).await {
            Err(error) if is_absence(&error) => Err(missing),
            here => here.map(OpenedBlob::Stored),
        },
        Err(trouble) => Err(trouble.answer(missing, ErrorCode::UnableToGetUpstreamLayerException)),
    }
}

/// None if the blob is in the store, or if no upstream can be asked for it.
async fn fetch(ctx: &Context, name: &RepositoryName, digest: &Digest) -> Result<Option<Arriving>, Trouble> {
    let Some(claim) = claim(ctx, ctx.access("GetDownloadUrlForLayer", None), name).await? else {
        return Ok(None);
    };
    let (source, access) = (claim.source?, claim.access);
    if let Origin::Elsewhere(upstream) = source.origin {
        let order = Order {
            service: Arc::clone(&ctx.service),
            upstream,
            source: source.name,
            key: (access.scope.clone(), name.clone(), *digest),
            size_max: ctx.caching.sizes.find(&access.scope, name, *digest),
            access: Some(access),
        };
        return order.stream().await;
    }
    source.size_here(ctx, digest).await?;
    let (name, quotas) = (name.clone(), ctx.configuration.quotas);
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
        size_max: None,
    };
    target.link(source).await.map(|()| None)
}

/// A blob and the repository that will get it.
pub(super) struct Target {
    pub(super) service: Arc<Service>,
    pub(super) repository: Repository,
    pub(super) digest: Digest,
    /// The size of the blob according to a manifest.
    pub(super) size_max: Option<u64>,
}

impl Target {
    /// Fetches the blob from its source.
    pub(super) async fn bring(self, source: &Source) -> Result<(), Trouble> {
        match &source.origin {
            Origin::Here { .. } => self.link(source.clone()).await,
            Origin::Elsewhere(upstream) => self.order(upstream, &source.name).bring().await,
        }
    }

    fn order(self, upstream: &Upstream, source: &str) -> Order {
        let repository = self.repository;
        Order {
            service: self.service,
            upstream: upstream.clone(),
            source: source.to_owned(),
            key: (repository.scope, repository.name, self.digest),
            access: None,
            size_max: self.size_max,
        }
    }

    /// Links a blob of another registry on this server to the repository.
    async fn link(&self, source: Source) -> Result<(), Trouble> {
        let (wanted, digest, moment) = (self.repository.clone(), self.digest, self.service.clock.moment());
        self.service
            .store
            .write(move |tx| {
                let from = source.repository_here(moment.now, tx, "GetDownloadUrlForLayer")?;
                let to = still_there(tx, &wanted)?;
                stored_images::copy::link_layers(tx, &from, &to, &[digest], moment.machine_now)?;
                Ok(())
            })
            .await
    }
}

impl Source {
    async fn size_here(&self, service: &Service, digest: &Digest) -> Result<u64, Trouble> {
        service
            .store
            .read(|at| {
                let repository = self.repository_here(service.clock.now(), at, "GetDownloadUrlForLayer")?;
                let blob = stored_layers::find_linked(&service.store, at, &repository, digest)?;
                Ok(blob.ok_or(UpstreamError::NotFound)?.size)
            })
            .await
    }
}
