//! Manifests for clients: missing ones are fetched, and tags compared more than a day ago are compared with upstream again.

use ecru_model::{
    Digest, ErrorCode, ImageTag, RCTAppliedFor as AppliedFor, RegistryId, RepositoryName, Timestamp,
};
use ecru_store::{Snapshot, Tx};

use super::import::Import;
use super::origin::{Fetched, Source, origin_of};
use super::rules::{self, Rule};
use super::{Trouble, UpstreamError, import, tags};
use crate::access::Access;
use crate::creation_templates::create_repository;
use crate::manifests::{Reference, StoredManifest};
use crate::ports::image_observer::Admission;
use crate::quotas::Quotas;
use crate::records::repositories::{self, Repository};
use crate::records::tag_mutability::is_frozen;
use crate::stored_images::{self, pulls};
use crate::{Context, Error};

/// A request for a manifest of a repository.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) registry_id: Option<&'a RegistryId>,
    pub(crate) name: &'a RepositoryName,
    pub(crate) reference: &'a Reference,
    /// False for HEAD.
    pub(crate) is_pull: bool,
}

impl<'a> Wanted<'a> {
    fn at_home(name: &'a RepositoryName, reference: &'a Reference, is_pull: bool) -> Wanted<'a> {
        Wanted {
            registry_id: None,
            name,
            reference,
            is_pull,
        }
    }
}

/// Returns the manifest; counts as a pull of the image.
pub async fn pull_manifest(
    ctx: &Context,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<StoredManifest, Error> {
    let here = stored_images::pull_manifest(ctx, repository, reference);
    through(ctx, Wanted::at_home(repository, reference, true), here.await).await
}

/// Returns the manifest; does not count as a pull.
pub async fn look_at_manifest(
    ctx: &Context,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<StoredManifest, Error> {
    let here = stored_images::load_manifest(ctx, repository, reference);
    through(ctx, Wanted::at_home(repository, reference, false), here.await).await
}

async fn through(
    ctx: &Context,
    wanted: Wanted<'_>,
    here: Result<StoredManifest, Error>,
) -> Result<StoredManifest, Error> {
    if !ctx.caching.is_on() {
        return here;
    }
    match here {
        Ok(stored) => {
            let newer = Box::pin(refresh(ctx, &wanted, &stored.digest)).await?;
            Ok(newer.unwrap_or(stored))
        }
        Err(missing) if is_absence(&missing) => match Box::pin(fetch_missing(ctx, &wanted)).await {
            Ok(fetched) => fetched.ok_or(missing),
            Err(trouble) => Err(trouble.answer(missing, ErrorCode::UnableToGetUpstreamImageException)),
        },
        Err(error) => Err(error),
    }
}

pub(super) fn is_absence(error: &Error) -> bool {
    matches!(
        error.code,
        ErrorCode::RepositoryNotFoundException
            | ErrorCode::ImageNotFoundException
            | ErrorCode::LayersNotFoundException
    )
}

/// A manifest of a repository that a rule covers. None if no rule does, if the caller may not import it, or
/// if the image is stored here although it cannot be pulled.
pub(crate) async fn fetch_missing(
    ctx: &Context,
    wanted: &Wanted<'_>,
) -> Result<Option<StoredManifest>, Trouble> {
    let access = ctx.access("BatchGetImage", wanted.registry_id);
    let Some(claim) = claim(ctx, access, wanted.name).await? else {
        return Ok(None);
    };
    if let Some(repository) = &claim.repository
        && ctx
            .store
            .read(|at| is_here(at, repository, wanted.reference))
            .await?
    {
        return Ok(None);
    }
    fetch(ctx, claim, wanted).await.map(Some)
}

fn is_here(at: &Snapshot<'_>, repository: &Repository, reference: &Reference) -> Result<bool, Error> {
    let image = match reference {
        Reference::Tag(tag) => stored_images::find_tagged(at, repository, tag.as_str())?,
        Reference::Digest(digest) => stored_images::find(at, repository, digest)?,
    };
    Ok(image.is_some())
}

/// A repository that a rule covers, and the source of its images.
pub(super) struct Claim {
    pub(super) access: Access,
    pub(super) rule: Rule,
    pub(super) source: Result<Source, Trouble>,
    pub(super) repository: Option<Repository>,
}

/// None if no rule covers the repository, or if the caller may not import into it.
pub(super) async fn claim(
    ctx: &Context,
    access: Access,
    name: &RepositoryName,
) -> Result<Option<Claim>, Error> {
    if !ctx.caching.is_on() {
        return Ok(None);
    }
    let access = access.and("BatchImportUpstreamImage");
    ctx.store
        .read(|at| {
            let access = access.clone().at_home_of(at, name)?;
            let Some(rule) = rules::find_covering(at, &access.scope, name)? else {
                return Ok(None);
            };
            let repository = match find_permitted(at, &access, name) {
                Err(error) if error.code == ErrorCode::AccessDeniedException => return Ok(None),
                found => found?,
            };
            let source = origin_of(ctx, at, &access.scope, &rule)
                .and_then(|origin| Source::new(origin, &rule, name).ok_or(UpstreamError::NotFound.into()));
            Ok(Some(Claim {
                access,
                rule,
                source,
                repository,
            }))
        })
        .await
}

/// The first request for an image of a repository also creates the repository.
fn find_permitted(
    at: &Snapshot<'_>,
    access: &Access,
    name: &RepositoryName,
) -> Result<Option<Repository>, Error> {
    match access.find_repository(at, name)? {
        Some(repository) => Ok(Some(repository)),
        None => access.clone().and("CreateRepository").find_repository(at, name),
    }
}

/// The repository to import into; created if it is missing.
pub(super) fn open(
    tx: &Tx<'_>,
    access: &Access,
    name: &RepositoryName,
    quotas: &Quotas,
) -> Result<Repository, Error> {
    match access.find_repository(tx, name)? {
        Some(repository) => Ok(repository),
        None => create_repository(tx, access, name, AppliedFor::PullThroughCache, quotas),
    }
}

/// Fetches a manifest, and schedules the import of its image.
async fn fetch(ctx: &Context, claim: Claim, wanted: &Wanted<'_>) -> Result<StoredManifest, Trouble> {
    let Claim {
        access, rule, source, ..
    } = claim;
    let fetched = match source {
        Ok(source) => source.fetch(ctx, wanted.reference).await,
        Err(trouble) => Err(trouble),
    };
    let import = Import {
        scope: access.scope.clone(),
        name: wanted.name.clone(),
        tag: tag_of(wanted.reference).cloned(),
    };
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(trouble) => {
            import.tell_failure(ctx, &rule, None, &trouble).await?;
            return Err(trouble);
        }
    };
    ctx.caching
        .sizes
        .note(&import.scope, &import.name, &fetched.manifest);
    if wanted.is_pull {
        pulls::note_ahead(ctx, import.arriving(fetched.digest)).await?;
    }
    let (store_rules, kept) = (ctx.store_rules(), fetched.clone());
    ctx.store
        .write(move |tx| {
            let repository = open(tx, &access, &import.name, &store_rules.quotas)?;
            let tags = import.tag.iter().collect::<Vec<_>>();
            let admission = Admission {
                repository: &repository,
                digest: &kept.digest,
                manifest: &kept.bytes,
                tags: &tags,
            };
            // If the repository would refuse the tag for an image, clients must not get that image under the tag.
            store_rules
                .observers
                .each(|observer| observer.admit(tx, &admission))?;
            import::schedule_import(tx, &import, &kept.digest, store_rules.at.now).map_err(Error::from)
        })
        .await?;
    Ok(fetched.into())
}

fn tag_of(reference: &Reference) -> Option<&ImageTag> {
    match reference {
        Reference::Tag(tag) => Some(tag),
        Reference::Digest(_) => None,
    }
}

/// Returns the upstream manifest of a cached tag, if the last comparison is more than a day old and the tag
/// has changed since. If the upstream fails, the stored image is served.
async fn refresh(ctx: &Context, wanted: &Wanted<'_>, here: &Digest) -> Result<Option<StoredManifest>, Error> {
    let Some(tag) = tag_of(wanted.reference) else {
        return Ok(None);
    };
    let now = ctx.clock.now();
    if !ctx
        .store
        .read(|at| is_to_be_compared(ctx, at, wanted, tag))
        .await?
    {
        return Ok(None);
    }
    let access = ctx.access("BatchGetImage", wanted.registry_id);
    let Some(claim) = claim(ctx, access, wanted.name).await? else {
        return Ok(None);
    };
    let Some(repository) = &claim.repository else {
        return Ok(None);
    };
    let repository_id = repository.id;
    let compared = match &claim.source {
        Ok(source) => source.digest(ctx, wanted.reference).await,
        Err(_) => Ok(None),
    };
    let (newer, checked_at) = match compared {
        Ok(Some(digest)) if digest == *here => (None, now),
        Ok(_) => match fetch(ctx, claim, wanted).await {
            Ok(fetched) if fetched.digest == *here => (None, now),
            // The import records the check of the tag when it stores the image.
            Ok(fetched) => return Ok(Some(fetched)),
            Err(trouble) => (None, put_up_with(&trouble, now)),
        },
        Err(trouble) => (None, put_up_with(&trouble, now)),
    };
    let tag = tag.as_str().to_owned();
    let noted = ctx
        .store
        .write(move |tx| tags::note(tx, repository_id, &tag, checked_at))
        .await;
    if let Err(error) = noted {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the check of a tag was not recorded"
        );
    }
    Ok(newer)
}

fn put_up_with(trouble: &Trouble, now: Timestamp) -> Timestamp {
    tracing::info!(
        reason = trouble.sentence(),
        "a cached tag could not be compared with its upstream"
    );
    tags::after_trouble(now)
}

/// A frozen tag is never compared.
fn is_to_be_compared(
    ctx: &Context,
    at: &Snapshot<'_>,
    wanted: &Wanted<'_>,
    tag: &ImageTag,
) -> Result<bool, Error> {
    let access = ctx.access("BatchGetImage", wanted.registry_id);
    let repository = match repositories::find(at, &access.scope, wanted.name)? {
        None => repositories::find(at, &access.at_home_of(at, wanted.name)?.scope, wanted.name)?,
        found => found,
    };
    let Some(repository) = repository else {
        return Ok(false);
    };
    let Some(checked_at) = tags::checked_at(at, repository.id, tag.as_str())? else {
        return Ok(false);
    };
    let frozen = is_frozen(
        repository.tag_mutability,
        &repository.exclusion_filters,
        tag.as_str(),
    );
    Ok(!frozen && tags::is_due(checked_at, ctx.clock.now()))
}

impl From<Fetched> for StoredManifest {
    fn from(fetched: Fetched) -> Self {
        Self {
            digest: fetched.digest,
            media_type: fetched.manifest.media_type,
            bytes: fetched.bytes,
        }
    }
}
