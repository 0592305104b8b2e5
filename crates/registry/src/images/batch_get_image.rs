//! `BatchGetImage`: the manifests of the named images; by digest once for each of its tags.

use std::collections::HashSet;

use bytes::Bytes;
use ecru_model::{
    BatchGetImageInput as Input, BatchGetImageOutput as Output, ErrorCode, Image as Answer, ImageFailure,
    ImageIdentifier, ImageStatus,
};
use ecru_store::Snapshot;

use super::selection::{Selector, image_not_found, select};
use super::upstream::{Upstream, key};
use super::{Image, StoredManifest, identifier, manifest_of, pulls, tags_of};
use crate::repositories::Repository;
use crate::{Context, Error, repositories};

/// Beyond this an answer would not fit into memory comfortably; the service has a limit of its own.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

pub async fn batch_get_image(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("BatchGetImage", input.registry_id.as_ref());
    let mut upstream = Upstream::default();
    if ctx.caching.is_on() {
        upstream.fetch(ctx, &access, &input).await?;
    }

    ctx.store.read(|at| {
        let repository = access.repository(at, &input.repository_name)?;
        let mut batch = Batch {
            ctx,
            at,
            repository: &repository,
            images: Vec::new(),
            failures: Vec::new(),
            bytes: 0,
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
}

struct Batch<'a> {
    ctx: &'a Context,
    at: &'a Snapshot<'a>,
    repository: &'a Repository,
    images: Vec<Answer>,
    failures: Vec<ImageFailure>,
    bytes: usize,
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
        let manifest = manifest_of(self.at, image)?;
        let id = identifier(&image.digest, tag);
        self.add_answer(id, manifest, image.media_type.clone())
    }

    /// An image that is on its way.
    fn answer_upstream(&mut self, id: &ImageIdentifier, fetched: &StoredManifest) -> Result<(), Error> {
        let id = identifier(&fetched.digest, id.image_tag.as_deref());
        self.add_answer(id, fetched.bytes.clone(), fetched.media_type.clone())
    }

    fn add_answer(&mut self, id: ImageIdentifier, manifest: Bytes, media_type: String) -> Result<(), Error> {
        self.bytes += manifest.len();
        if self.bytes > ANSWER_BYTES_MAX {
            return Err(Error::new(
                ErrorCode::LimitExceededException,
                format!(
                    "The manifests of the requested images exceed {ANSWER_BYTES_MAX} bytes. Request fewer images."
                ),
            ));
        }
        let text = repositories::stored(String::from_utf8(manifest.into()))?;
        self.images.push(Answer {
            registry_id: Some(self.repository.scope.registry_id.clone()),
            repository_name: Some(self.repository.name.clone()),
            image_id: Some(id),
            image_manifest: Some(text),
            image_manifest_media_type: Some(media_type),
        });
        Ok(())
    }
}
