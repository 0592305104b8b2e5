//! `DescribeImages`: the named images, or a page of all images, each with its tags.

use ecru_model::{
    DescribeImagesInput as Input, DescribeImagesOutput as Output, ImageDetail, ImageIdentifier, ImageTag,
};
use ecru_platform::paging;
use ecru_platform::paging::{Listing, ROW_BYTES, Room};
use ecru_store::Snapshot;

use super::page::Accept;
use super::page::ImagePage;
use super::page::Wanted;
use super::page::page;
use crate::paging::refuse_paging;
use crate::records::repositories::Repository;
use crate::stored_images::{Image, load, tags_of};
use crate::{Context, Error, scanning};

pub async fn describe_images(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeImages", input.registry_id.as_ref());
    let token = input.next_token.as_deref();
    refuse_paging(input.image_ids.is_some(), "imageIds", input.max_results, token)?;
    let filter = input.filter.unwrap_or_default();
    let accept = Accept::new(filter.tag_status, filter.image_status);
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribeImages",
        scope: &access.scope.clone(),
        of: input.repository_name.as_str(),
        filter: accept.key(),
    };
    let after = listing.integer_key(token)?;

    let (name, ids) = (input.repository_name.clone(), input.image_ids);
    let (mut output, next) = paging::read(&ctx.store, limit, move |at, room| {
        let repository = access.repository(at, &name)?;
        let wanted = Wanted {
            accept,
            after,
            tags_max: usize::MAX,
        };
        match &ids {
            Some(ids) => Ok((describe_named(at, &repository, ids, room)?, None)),
            None => describe_page(at, &repository, page(at, &repository, wanted, room)?),
        }
    })
    .await?;
    output.next_token = next.map(|id: i64| listing.token(&id.to_be_bytes()));
    Ok(output)
}

fn describe_named(
    at: &Snapshot<'_>,
    repository: &Repository,
    ids: &[ImageIdentifier],
    room: &Room,
) -> Result<Output, Error> {
    let mut image_ids = Vec::new();
    let mut details = Vec::new();
    for id in ids {
        let image = load(at, repository, id)?;
        if !image_ids.contains(&image.id) {
            let tags = tags_of(at, repository, image.id)?;
            let bytes = tags.iter().map(|tag| tag.as_str().len()).sum::<usize>();
            room.take_named(image.text_bytes() + bytes + ROW_BYTES)?;
            image_ids.push(image.id);
            details.push(describe(repository, image, tags));
        }
    }
    answer(at, repository, &image_ids, details)
}

fn describe_page(
    at: &Snapshot<'_>,
    repository: &Repository,
    page: ImagePage,
) -> Result<(Output, Option<i64>), Error> {
    let ids = page.items.iter().map(|(image, _)| image.id).collect::<Vec<_>>();
    let details = page
        .items
        .into_iter()
        .map(|(image, tags)| describe(repository, image, tags))
        .collect();
    Ok((answer(at, repository, &ids, details)?, page.next))
}

fn answer(
    at: &Snapshot<'_>,
    repository: &Repository,
    image_ids: &[i64],
    mut details: Vec<ImageDetail>,
) -> Result<Output, Error> {
    scanning::summarize(at, repository, image_ids, &mut details)?;
    Ok(Output {
        image_details: Some(details),
        next_token: None,
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
