//! Images that `BatchGetImage` fetches through the pull-through cache before it reads the stored ones.

use std::collections::HashMap;

use ecru_model::{
    BatchGetImageInput as Input, Digest, ErrorCode, ImageFailure, ImageFailureCode, ImageIdentifier, ImageTag,
};

use crate::access::Access;
use crate::manifests::{Reference, StoredManifest};
use crate::pull_through_cache::{Trouble, UpstreamError, Wanted, fetch_missing};
use crate::stored_images::{failure, select};
use crate::{Context, Error};

type Key = (Option<String>, Option<String>);

/// A fetched image or its failure, by the digest and the tag of the request.
#[derive(Default)]
pub(super) struct Upstream(pub(super) HashMap<Key, Result<StoredManifest, ImageFailure>>);

pub(super) fn key(id: &ImageIdentifier) -> Key {
    (id.image_digest.clone(), id.image_tag.clone())
}

impl Upstream {
    /// [unknown] which problems fail the whole call. Here problems with the secret do, and any problem while
    /// there is no repository; others are a failure of their image.
    pub(super) async fn fetch(&mut self, ctx: &Context, access: &Access, input: &Input) -> Result<(), Error> {
        for id in &input.image_ids {
            let Some(reference) = reference(id) else { continue };
            if self.0.contains_key(&key(id)) {
                continue;
            }
            let repository = ctx
                .store
                .read(|at| access.find_repository(at, &input.repository_name))
                .await?;
            let here = match &repository {
                Some(repository) => ctx.store.read(|at| select(at, repository, id)).await?.is_ok(),
                None => false,
            };
            if here {
                continue;
            }
            let wanted = Wanted {
                registry_id: input.registry_id.as_ref(),
                name: &input.repository_name,
                reference: &reference,
                is_pull: true,
            };
            let fetched = match fetch_missing(ctx, &wanted).await {
                Ok(None) | Err(Trouble::Upstream(UpstreamError::NotFound)) => continue,
                Ok(Some(fetched)) => Ok(fetched),
                Err(Trouble::Registry(error)) => return Err(error),
                Err(Trouble::Upstream(error)) if repository.is_some() => Err(failed(id, &error)),
                Err(trouble) => return Err(unable(&trouble)),
            };
            self.0.insert(key(id), fetched);
        }
        Ok(())
    }
}

/// An id with both digest and tag is looked up only in the store.
fn reference(id: &ImageIdentifier) -> Option<Reference> {
    match (&id.image_digest, &id.image_tag) {
        (Some(digest), None) => Digest::parse(digest).ok().map(Reference::Digest),
        (None, Some(tag)) => ImageTag::parse(tag.as_str()).ok().map(Reference::Tag),
        _ => None,
    }
}

fn failed(id: &ImageIdentifier, error: &UpstreamError) -> ImageFailure {
    let code = match error {
        UpstreamError::Denied => ImageFailureCode::UpstreamAccessDenied,
        UpstreamError::TooManyRequests => ImageFailureCode::UpstreamTooManyRequests,
        _ => ImageFailureCode::UpstreamUnavailable,
    };
    failure(id, code, error.to_string())
}

fn unable(trouble: &Trouble) -> Error {
    Error::new(
        ErrorCode::UnableToGetUpstreamImageException,
        format!(
            "The image or images were unable to be pulled using the pull through cache rule: {}",
            trouble.sentence()
        ),
    )
}
