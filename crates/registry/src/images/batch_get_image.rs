//! `BatchGetImage`: the manifests of the named images; an image named by digest appears once for each of its tags.

use std::collections::HashSet;

use bytes::Bytes;
use ecru_model::{
    BatchGetImageInput as Input, BatchGetImageOutput as Output, ErrorCode, Image as Answer, ImageFailure,
    ImageIdentifier, ImageStatus, ImageTag, RepositoryName, Scope,
};
use ecru_platform::paging;
use ecru_platform::paging::{NAMED_BYTES_MAX, Room};
use ecru_store::{Snapshot, stored};

use super::upstream::Upstream;
use super::upstream::key;
use crate::access::Access;
use crate::manifests::{Reference, StoredManifest};
use crate::records::repositories::Repository;
use crate::stored_images::{
    Image, Selector, identifier, image_not_found, load_manifest, manifest_of, pulls, select, tags_of,
};
use crate::{Context, Error};

pub async fn batch_get_image(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("BatchGetImage", input.registry_id.as_ref());
    let mut upstream = Upstream::default();
    if !ctx.caching.is_on()
        && let [id] = input.image_ids.as_slice()
        && let Some(tag) = only_tag(id)
    {
        return get_tagged(ctx, &access, &input.repository_name, id, tag).await;
    }
    if ctx.caching.is_on() {
        Box::pin(upstream.fetch(ctx, &access, &input)).await?;
    }

    let ctx = ctx.clone();
    let store = ctx.store.clone();
    paging::read(&store, 0, move |at, room| {
        let repository = access.repository(at, &input.repository_name)?;
        let mut batch = Batch {
            ctx: &ctx,
            at,
            repository: &repository,
            images: Vec::new(),
            failures: Vec::new(),
            room,
            upstream: &upstream,
        };
        let mut seen = HashSet::new();
        for id in &input.image_ids {
            if seen.insert((&id.image_digest, &id.image_tag)) {
                batch.add(id)?;
            }
        }
        Ok(Output {
            images: Some(batch.images),
            failures: Some(batch.failures),
        })
    })
    .await
}

fn only_tag(id: &ImageIdentifier) -> Option<ImageTag> {
    let tag = id.image_tag.as_deref().filter(|_| id.image_digest.is_none())?;
    ImageTag::parse(tag).ok()
}

/// The most common request: one image by its tag, which is a pull like any other.
async fn get_tagged(
    ctx: &Context,
    access: &Access,
    repository: &RepositoryName,
    id: &ImageIdentifier,
    tag: ImageTag,
) -> Result<Output, Error> {
    let (images, failures) =
        match load_manifest::load(ctx, access, repository, &Reference::Tag(tag), true).await {
            Ok(stored) => {
                let id = identifier(&stored.digest, id.image_tag.as_deref());
                let scope = &access.scope;
                let image = describe(scope, repository, id, stored.bytes, stored.media_type)?;
                (vec![image], Vec::new())
            }
            Err(error) if error.code == ErrorCode::ImageNotFoundException => {
                (Vec::new(), vec![image_not_found(id)])
            }
            Err(error) => return Err(error),
        };
    Ok(Output {
        images: Some(images),
        failures: Some(failures),
    })
}

fn describe(
    scope: &Scope,
    repository: &RepositoryName,
    id: ImageIdentifier,
    manifest: Bytes,
    media_type: String,
) -> Result<Answer, Error> {
    let text = stored(String::from_utf8(manifest.into()))?;
    Ok(Answer {
        registry_id: Some(scope.registry_id.clone()),
        repository_name: Some(repository.clone()),
        image_id: Some(id),
        image_manifest: Some(text),
        image_manifest_media_type: Some(media_type),
    })
}

struct Batch<'a> {
    ctx: &'a Context,
    at: &'a Snapshot<'a>,
    repository: &'a Repository,
    images: Vec<Answer>,
    failures: Vec<ImageFailure>,
    room: &'a Room,
    upstream: &'a Upstream,
}

impl Batch<'_> {
    fn add(&mut self, id: &ImageIdentifier) -> Result<(), Error> {
        let (image, selector) = match select(self.at, self.repository, id)? {
            Ok(selected) => selected,
            Err(failure) => match self.upstream.0.get(&key(id)) {
                Some(Ok(fetched)) => return self.answer_upstream(id, fetched),
                Some(Err(failure)) => {
                    self.failures.push(failure.clone());
                    return Ok(());
                }
                None => {
                    self.failures.push(failure);
                    return Ok(());
                }
            },
        };
        if image.status != ImageStatus::Active {
            self.failures.push(image_not_found(id));
            return Ok(());
        }
        pulls::note(self.ctx, self.at, self.repository, &image)?;
        match selector {
            Selector::Tag(tag) | Selector::Both(_, tag) => self.answer(&image, Some(tag.as_str())),
            Selector::Digest(_) => {
                let tags = tags_of(self.at, self.repository, image.id)?;
                if tags.is_empty() {
                    return self.answer(&image, None);
                }
                tags.iter()
                    .try_for_each(|tag| self.answer(&image, Some(tag.as_str())))
            }
        }
    }

    fn answer(&mut self, image: &Image, tag: Option<&str>) -> Result<(), Error> {
        self.take(usize::try_from(image.manifest_size).unwrap_or(usize::MAX))?;
        let manifest = manifest_of(self.at, image)?;
        self.push(identifier(&image.digest, tag), manifest, image.media_type.clone())
    }

    /// Answers with an image whose import is under way.
    fn answer_upstream(&mut self, id: &ImageIdentifier, fetched: &StoredManifest) -> Result<(), Error> {
        self.take(fetched.bytes.len())?;
        let id = identifier(&fetched.digest, id.image_tag.as_deref());
        self.push(id, fetched.bytes.clone(), fetched.media_type.clone())
    }

    /// The service has an error of its own for this limit.
    fn take(&self, manifest_bytes: usize) -> Result<(), Error> {
        self.room.take_named(manifest_bytes).map_err(|_| {
            Error::new(
                ErrorCode::LimitExceededException,
                format!(
                    "The manifests of the requested images exceed {NAMED_BYTES_MAX} bytes. Request fewer images."
                ),
            )
        })
    }

    fn push(&mut self, id: ImageIdentifier, manifest: Bytes, media_type: String) -> Result<(), Error> {
        let Repository { scope, name, .. } = self.repository;
        self.images.push(describe(scope, name, id, manifest, media_type)?);
        Ok(())
    }
}
