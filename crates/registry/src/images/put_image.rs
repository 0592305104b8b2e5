//! `PutImage`: stores a manifest whose layers exist, and tags it.

use bytes::Bytes;
use ecru_model::{
    Digest, DigestAlgorithm, ErrorCode, Image, ImageTag, PutImageInput as Input, PutImageOutput as Output,
};

use crate::creation_templates::{refuse_push, repository_to_push};
use crate::records::repositories::Repository;
use crate::stored_images::{NewImage, Origin, Outcome, identifier, read_manifest, store_image};
use crate::{Context, Error};

pub async fn put_image(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutImage", input.registry_id.as_ref());
    let name = input.repository_name.clone();
    let tag = input.image_tag.clone();
    let manifest = input.image_manifest.clone();
    let new = match accept(ctx, input) {
        Ok(new) => new,
        Err(error) => return Err(refuse_push(ctx, &access, &name, error).await),
    };
    let (digest, media_type) = (new.digest, new.manifest.media_type.clone());

    let store_rules = ctx.store_rules();
    let repository = ctx
        .store
        .write(move |tx| {
            let repository = repository_to_push(tx, &access, &name, &store_rules.quotas)?;
            match store_image(&store_rules, tx, &repository, &new)? {
                Outcome::Changed => Ok(repository),
                Outcome::Unchanged => Err(already_exists(&repository, &digest, new.tags.first())),
            }
        })
        .await?;

    Ok(Output {
        image: Some(Image {
            registry_id: Some(repository.scope.registry_id),
            repository_name: Some(repository.name),
            image_id: Some(identifier(&digest, tag.as_ref().map(ImageTag::as_str))),
            image_manifest: Some(manifest),
            image_manifest_media_type: Some(media_type),
        }),
    })
}

fn accept(ctx: &Context, input: Input) -> Result<NewImage, Error> {
    let bytes = Bytes::from(input.image_manifest);
    let manifest = read_manifest(&bytes, input.image_manifest_media_type.as_deref())?;
    let digest = manifest.digest(&bytes, DigestAlgorithm::Sha256);
    if let Some(claimed) = input.image_digest
        && claimed != digest.to_string()
    {
        return Err(digest_does_not_match(&claimed, &digest));
    }
    Ok(NewImage {
        digest,
        manifest,
        bytes,
        tags: input.image_tag.into_iter().collect(),
        pushed_at: ctx.clock.now(),
        origin: Origin::Push,
    })
}

pub(super) fn digest_does_not_match(claimed: &str, computed: &Digest) -> Error {
    Error::new(
        ErrorCode::ImageDigestDoesNotMatchException,
        format!(
            "The specified image digest '{claimed}' does not match the digest of the image manifest '{computed}'"
        ),
    )
}

fn already_exists(repository: &Repository, digest: &Digest, tag: Option<&ImageTag>) -> Error {
    Error::new(
        ErrorCode::ImageAlreadyExistsException,
        format!(
            "Image with digest '{digest}' and tag '{}' already exists in the repository with name '{}' in registry with \
             id '{}'",
            tag.map_or("null", ImageTag::as_str),
            repository.name,
            repository.scope.registry_id
        ),
    )
}
