//! `GET /v2/<name>/manifests/<reference>`: the bytes of a manifest as they were pushed.

use ecru_model::{ImageIdentifier, ImageStatus, RepositoryName};
use ecru_store::Snapshot;

use super::{Image, checked, find_with_manifest, not_found, pulls};
use crate::access::Access;
use crate::manifests::{Reference, StoredManifest};
use crate::state::kept_manifests::{Kept, Key};
use crate::{Context, Error};

/// Returns the manifest; does not count as a pull.
pub async fn load_manifest(
    ctx: &Context,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<StoredManifest, Error> {
    let access = ctx.access("BatchGetImage", None);
    load(ctx, &access, repository, reference, false).await
}

/// Returns the manifest; counts as a pull of the image.
pub async fn pull_manifest(
    ctx: &Context,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<StoredManifest, Error> {
    let access = ctx.access("BatchGetImage", None);
    load(ctx, &access, repository, reference, true).await
}

pub(crate) async fn load(
    ctx: &Context,
    access: &Access,
    repository: &RepositoryName,
    reference: &Reference,
    is_pull: bool,
) -> Result<StoredManifest, Error> {
    let key = Key {
        scope: access.scope.clone(),
        repository: repository.clone(),
        reference: reference.clone(),
    };
    let settled = ctx.store.settled();
    if let Some(settled) = settled.filter(|_| access.is_at_home())
        && let Some(kept) = ctx.kept_manifests.find(settled, &key)
        && !(is_pull && pulls::is_worth_recording(kept.last_pulled_at, access.now()))
    {
        return Ok(kept.manifest);
    }

    let (kept, is_for_all) = ctx.store.read(|at| read(ctx, access, at, &key, is_pull)).await?;
    if let Some(settled) = settled.filter(|_| is_for_all)
        && ctx.store.settled() == Some(settled)
    {
        ctx.kept_manifests.keep(settled, key, kept.clone());
    }
    Ok(kept.manifest)
}

/// Returns the manifest, and whether the answer is valid for all callers of the account.
fn read(
    ctx: &Context,
    access: &Access,
    at: &Snapshot<'_>,
    key: &Key,
    is_pull: bool,
) -> Result<(Kept, bool), Error> {
    let (repository, is_for_all) = access.repository_for_all(at, &key.repository)?;
    let found = find_with_manifest(at, &repository, &key.reference)?;
    let Some((image, manifest)) = found.filter(|(image, _)| is_pullable(image)) else {
        return Err(not_found(&repository, &key.reference.identifier()));
    };
    if is_pull {
        pulls::note(ctx, at, &repository, &image)?;
    }
    let bytes = checked(&image, manifest)?;
    let kept = Kept {
        last_pulled_at: image.last_pulled_at,
        manifest: StoredManifest {
            digest: image.digest,
            media_type: image.media_type,
            bytes,
        },
    };
    // A repository of another region is looked up again at each request.
    let is_here = repository.scope == key.scope;
    Ok((kept, is_for_all && is_here))
}

/// An image that is archived, or being restored, is reported as absent.
fn is_pullable(image: &Image) -> bool {
    image.status == ImageStatus::Active
}

impl Reference {
    pub(crate) fn identifier(&self) -> ImageIdentifier {
        match self {
            Self::Tag(tag) => ImageIdentifier {
                image_digest: None,
                image_tag: Some(tag.as_str().to_owned()),
            },
            Self::Digest(digest) => ImageIdentifier {
                image_digest: Some(digest.to_string()),
                image_tag: None,
            },
        }
    }
}
