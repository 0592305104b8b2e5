//! `DescribeImages`: the named images, or a page of all, each with its tags.

use ecru_model::{
    DescribeImagesInput as Input, DescribeImagesOutput as Output, ImageDetail, ImageIdentifier, ImageTag,
};
use ecru_store::Snapshot;

use super::page::{Accept, ImagePage, page};
use super::{Image, load, tags_of};
use crate::paging::{self, Listing};
use crate::repositories::Repository;
use crate::{Context, Error, scanning};

pub async fn describe_images(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeImages", input.registry_id.as_ref());
    let token = input.next_token.as_deref();
    paging::refuse_paging(input.image_ids.is_some(), "imageIds", input.max_results, token)?;
    let filter = input.filter.unwrap_or_default();
    let accept = Accept::new(filter.tag_status, filter.image_status);
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribeImages",
        scope: &access.scope,
        repository: input.repository_name.as_str(),
        filter: accept.key(),
    };
    let after = listing.integer_key(token)?;

    ctx.store.read(|at| {
        let repository = access.repository(at, &input.repository_name)?;
        match &input.image_ids {
            Some(ids) => describe_named(at, &repository, ids),
            None => describe_page(
                at,
                &repository,
                page(at, &repository, accept, after, limit)?,
                &listing,
            ),
        }
    })
}

fn describe_named(
    at: &Snapshot<'_>,
    repository: &Repository,
    ids: &[ImageIdentifier],
) -> Result<Output, Error> {
    let mut image_ids = Vec::new();
    let mut details = Vec::new();
    for id in ids {
        let image = load(at, repository, id)?;
        if !image_ids.contains(&image.id) {
            let tags = tags_of(at, repository, image.id)?;
            image_ids.push(image.id);
            details.push(describe(repository, image, tags));
        }
    }
    answer(at, repository, &image_ids, details, None)
}

fn describe_page(
    at: &Snapshot<'_>,
    repository: &Repository,
    page: ImagePage,
    listing: &Listing<'_>,
) -> Result<Output, Error> {
    let next_token = page.next.map(|id| listing.token(&id.to_be_bytes()));
    let ids = page.images.iter().map(|(image, _)| image.id).collect::<Vec<_>>();
    let details = page
        .images
        .into_iter()
        .map(|(image, tags)| describe(repository, image, tags))
        .collect();
    answer(at, repository, &ids, details, next_token)
}

fn answer(
    at: &Snapshot<'_>,
    repository: &Repository,
    image_ids: &[i64],
    mut details: Vec<ImageDetail>,
    next_token: Option<String>,
) -> Result<Output, Error> {
    scanning::summarize(at, repository, image_ids, &mut details)?;
    Ok(Output {
        image_details: Some(details),
        next_token,
    })
}

fn describe(repository: &Repository, image: Image, tags: Vec<ImageTag>) -> ImageDetail {
    ImageDetail {
        registry_id: Some(repository.scope.registry_id.clone()),
        repository_name: Some(repository.name.clone()),
        image_digest: Some(image.digest.to_string()),
        image_tags: (!tags.is_empty()).then_some(tags),
        image_size_in_bytes: Some(image.size),
        image_pushed_at: Some(image.pushed_at),
        image_manifest_media_type: Some(image.media_type),
        artifact_media_type: image.artifact_media_type,
        last_recorded_pull_time: image.last_pulled_at,
        subject_manifest_digest: image.subject.map(|subject| subject.to_string()),
        image_status: Some(image.status),
        last_archived_at: image.last_archived_at,
        last_activated_at: image.last_activated_at,
        ..ImageDetail::default()
    }
}
