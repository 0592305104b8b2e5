//! Finds the image that an image id of a batch names, or the failure that ECR reports for it.

use ecru_model::{Digest, ImageFailure, ImageFailureCode, ImageIdentifier, ImageTag};
use ecru_store::Snapshot;

use super::{Image, find, find_tagged, not_found, tag_target};
use crate::Error;
use crate::records::repositories::Repository;

/// The image that an id names, for calls that fail if it names none.
pub(crate) fn load(at: &Snapshot<'_>, repository: &Repository, id: &ImageIdentifier) -> Result<Image, Error> {
    match select(at, repository, id)? {
        Ok((image, _)) => Ok(image),
        Err(failure) => Err(refusal(repository, id, &failure)),
    }
}

fn refusal(repository: &Repository, id: &ImageIdentifier, failure: &ImageFailure) -> Error {
    match failure.failure_code {
        Some(ImageFailureCode::InvalidImageDigest) => Error::parameter(
            "imageDigest",
            "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ),
        Some(ImageFailureCode::InvalidImageTag) => {
            Error::parameter("imageTag", "must satisfy regular expression '[a-zA-Z0-9-_.]+'")
        }
        _ => not_found(repository, id),
    }
}

/// A valid image id.
pub(crate) enum Selector {
    Digest(Digest),
    Tag(ImageTag),
    Both(Digest, ImageTag),
}

pub(crate) fn select(
    at: &Snapshot<'_>,
    repository: &Repository,
    id: &ImageIdentifier,
) -> Result<Result<(Image, Selector), ImageFailure>, Error> {
    let selector = match read(id) {
        Ok(selector) => selector,
        Err(failure) => return Ok(Err(failure)),
    };
    let image = match &selector {
        Selector::Digest(digest) => find(at, repository, digest)?,
        Selector::Tag(tag) => find_tagged(at, repository, tag.as_str())?,
        Selector::Both(digest, tag) => match tag_target(at, repository, tag.as_str())? {
            None => None,
            Some(target) => match find(at, repository, digest)? {
                Some(image) if image.id == target => Some(image),
                _ => {
                    let reason = "Invalid request parameters: given tag does not map to the given digest";
                    return Ok(Err(failure(
                        id,
                        ImageFailureCode::ImageTagDoesNotMatchDigest,
                        reason,
                    )));
                }
            },
        },
    };
    Ok(match image {
        Some(image) => Ok((image, selector)),
        None => Err(image_not_found(id)),
    })
}

fn read(id: &ImageIdentifier) -> Result<Selector, ImageFailure> {
    let digest = id
        .image_digest
        .as_deref()
        .map(|text| read_digest(id, text))
        .transpose()?;
    let tag = id
        .image_tag
        .as_deref()
        .map(|text| read_tag(id, text))
        .transpose()?;
    match (digest, tag) {
        (Some(digest), None) => Ok(Selector::Digest(digest)),
        (None, Some(tag)) => Ok(Selector::Tag(tag)),
        (Some(digest), Some(tag)) => Ok(Selector::Both(digest, tag)),
        (None, None) => {
            let reason = "Invalid request parameters: both tag and digest cannot be null";
            Err(failure(id, ImageFailureCode::MissingDigestAndTag, reason))
        }
    }
}

/// ECR accepts a digest of another algorithm or length as well-formed; no image has it.
fn read_digest(id: &ImageIdentifier, text: &str) -> Result<Digest, ImageFailure> {
    match Digest::parse(text) {
        Ok(digest) => Ok(digest),
        Err(_) if ecru_model::rules::LAYER_DIGEST.check(text).is_ok() => Err(image_not_found(id)),
        Err(_) => {
            let reason = "Invalid request parameters: image digest should satisfy the regex \
                          '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'";
            Err(failure(id, ImageFailureCode::InvalidImageDigest, reason))
        }
    }
}

fn read_tag(id: &ImageIdentifier, text: &str) -> Result<ImageTag, ImageFailure> {
    ImageTag::parse(text).map_err(|_| {
        // [unknown] the exact words; by analogy with the digest.
        let reason = "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9-_.]+'";
        failure(id, ImageFailureCode::InvalidImageTag, reason)
    })
}

pub(crate) fn image_not_found(id: &ImageIdentifier) -> ImageFailure {
    failure(id, ImageFailureCode::ImageNotFound, "Requested image not found")
}

pub(crate) fn failure(
    id: &ImageIdentifier,
    code: ImageFailureCode,
    reason: impl Into<String>,
) -> ImageFailure {
    ImageFailure {
        image_id: Some(id.clone()),
        failure_code: Some(code),
        failure_reason: Some(reason.into()),
    }
}

/// The digest of the image that an id names, if it names one.
pub(crate) fn resolve(
    at: &Snapshot<'_>,
    repository: &Repository,
    id: &ImageIdentifier,
) -> Result<Option<Digest>, Error> {
    Ok(select(at, repository, id)?.ok().map(|(image, _)| image.digest))
}
