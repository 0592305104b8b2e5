//! `GET /v2/<name>/manifests/<reference>`: the bytes of a manifest as they were pushed.

use bytes::Bytes;
use ecru_model::{Digest, ImageIdentifier, ImageStatus, RepositoryName};
use ecru_store::{Snapshot, StoreError};

use super::{Image, Reference, find, find_tagged, manifest_of, not_found, pulls};
use crate::repositories::Repository;
use crate::{Context, Error};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Bytes,
}

/// Gives the manifest to somebody who only looks.
pub fn load_manifest(
    ctx: &Context,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<StoredManifest, Error> {
    load(ctx, repository, reference, |_, _, _| Ok(()))
}

/// Gives the manifest to somebody who pulls the image.
pub fn pull_manifest(
    ctx: &Context,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<StoredManifest, Error> {
    load(ctx, repository, reference, |at, repository, image| {
        pulls::note(ctx, at, repository, image)
    })
}

fn load(
    ctx: &Context,
    repository: &RepositoryName,
    reference: &Reference,
    given: impl FnOnce(&Snapshot<'_>, &Repository, &Image) -> Result<(), StoreError>,
) -> Result<StoredManifest, Error> {
    let access = ctx.access("BatchGetImage", None);

    ctx.store.read(|at| {
        let repository = access.repository(at, repository)?;
        let image = match reference {
            Reference::Tag(tag) => find_tagged(at, &repository, tag.as_str())?,
            Reference::Digest(digest) => find(at, &repository, digest)?,
        };
        let Some(image) = image.filter(is_pullable) else {
            return Err(not_found(&repository, &reference.identifier()));
        };
        given(at, &repository, &image)?;
        Ok(StoredManifest {
            digest: image.digest,
            bytes: manifest_of(at, &image)?,
            media_type: image.media_type,
        })
    })
}

/// An archived image, or one on its way back, is answered as one that is not there.
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
