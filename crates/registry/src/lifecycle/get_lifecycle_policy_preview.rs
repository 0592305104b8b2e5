//! `GetLifecyclePolicyPreview`: the results of a repository's preview, in pages.

use ecru_model::{
    Digest, ErrorCode, GetLifecyclePolicyPreviewInput as Input, GetLifecyclePolicyPreviewOutput as Output,
    ImageActionType, ImageIdentifier, ImageTag, LifecyclePolicyPreviewResult,
    LifecyclePolicyPreviewStatus as Status, LifecyclePolicyPreviewSummary, LifecyclePolicyRuleAction,
    LifecyclePolicyTargetStorageClass, LifecyclePolicyText, TagStatus, TransitioningImageTotalCount,
};
use ecru_platform::paging::{Filling, Listing, ROW_BYTES, Room};
use ecru_platform::{Page, paging};
use ecru_store::{Snapshot, stored};

use super::preview;
use super::preview::Preview;
use super::preview::PreviewResult;
use crate::lifecycle_policy::policy::Action;
use crate::paging::refuse_paging;
use crate::records::repositories::Repository;
use crate::{Context, Error, stored_images};

pub async fn get_lifecycle_policy_preview(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetLifecyclePolicyPreview", input.registry_id.as_ref());
    let token = input.next_token.as_deref();
    refuse_paging(input.image_ids.is_some(), "imageIds", input.max_results, token)?;
    let tag_status = input.filter.and_then(|filter| filter.tag_status);
    let limit = paging::limit(input.max_results);

    let ctx = ctx.clone();
    let store = ctx.store.clone();
    paging::read(&store, limit, move |at, room| {
        let repository = access.repository(at, &input.repository_name)?;
        let preview = preview::find(at, &repository)?.ok_or_else(|| not_found(&repository))?;
        let listing = Listing {
            keys: &ctx.keys,
            operation: "GetLifecyclePolicyPreview",
            scope: &access.scope,
            of: input.repository_name.as_str(),
            filter: format!("{tag_status:?} {}", preview.started_at.as_millis()),
        };
        let after = listing.integer_key(input.next_token.as_deref())?;
        let found = match &input.image_ids {
            // Results are shown only when the preview is complete.
            _ if preview.status != Status::Complete => Page {
                items: Vec::new(),
                next: None,
            },
            Some(ids) => named(at, &repository, (ids, tag_status), room)?,
            None => page(at, &repository, (after, tag_status), room)?,
        };
        Ok(Output {
            lifecycle_policy_text: Some(stored(LifecyclePolicyText::parse(preview.text.as_str()))?),
            status: Some(preview.status),
            next_token: found.next.map(|position| listing.token(&position.to_be_bytes())),
            preview_results: Some(found.items.iter().map(describe).collect::<Result<_, Error>>()?),
            summary: summary(&preview),
            registry_id: Some(repository.scope.registry_id),
            repository_name: Some(repository.name),
        })
    })
    .await
}

fn passes(result: &PreviewResult, tag_status: Option<TagStatus>) -> bool {
    match tag_status {
        Some(TagStatus::Tagged) => !result.tags.is_empty(),
        Some(TagStatus::Untagged) => result.tags.is_empty(),
        Some(TagStatus::Any) | None => true,
    }
}

fn page(
    at: &Snapshot<'_>,
    repository: &Repository,
    (after, tag_status): (i64, Option<TagStatus>),
    room: &Room,
) -> Result<Page<PreviewResult, i64>, Error> {
    let mut filling = Filling::new(room);
    preview::results(at, repository, after, &mut |result| {
        filling.put(result.position, result.text_bytes(), || {
            Ok(passes(&result, tag_status).then_some(result))
        })
    })?;
    Ok(filling.page())
}

/// The named images that would expire; others are left out.
fn named(
    at: &Snapshot<'_>,
    repository: &Repository,
    (ids, tag_status): (&[ImageIdentifier], Option<TagStatus>),
    room: &Room,
) -> Result<Page<PreviewResult, i64>, Error> {
    let mut digests = Vec::<Digest>::new();
    for id in ids {
        if let Some(digest) = stored_images::resolve(at, repository, id)?
            && !digests.contains(&digest)
        {
            digests.push(digest);
        }
    }
    let mut items = Vec::new();
    for digest in &digests {
        let result = preview::result_of(at, repository, digest)?;
        if let Some(result) = result.filter(|result| passes(result, tag_status)) {
            room.take_named(result.text_bytes() + ROW_BYTES)?;
            items.push(result);
        }
    }
    Ok(Page { items, next: None })
}

fn describe(result: &PreviewResult) -> Result<LifecyclePolicyPreviewResult, Error> {
    let tags = result.tags.iter().map(|tag| stored(ImageTag::parse(tag)));
    Ok(LifecyclePolicyPreviewResult {
        image_tags: Some(tags.collect::<Result<_, _>>()?),
        image_digest: Some(result.digest.to_string()),
        image_pushed_at: Some(result.pushed_at),
        action: Some(match result.action {
            Action::Expire => LifecyclePolicyRuleAction {
                r#type: Some(ImageActionType::Expire),
                target_storage_class: None,
            },
            Action::Archive => LifecyclePolicyRuleAction {
                r#type: Some(ImageActionType::Transition),
                target_storage_class: Some(LifecyclePolicyTargetStorageClass::Archive),
            },
        }),
        applied_rule_priority: Some(result.rule),
        storage_class: Some(result.class),
    })
}

fn summary(preview: &Preview) -> Option<LifecyclePolicyPreviewSummary> {
    if preview.status != Status::Complete {
        return None;
    }
    let total = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
    Some(LifecyclePolicyPreviewSummary {
        expiring_image_total_count: Some(total(preview.expiring)),
        transitioning_image_total_counts: (preview.archiving > 0).then(|| {
            vec![TransitioningImageTotalCount {
                target_storage_class: Some(LifecyclePolicyTargetStorageClass::Archive),
                image_total_count: Some(total(preview.archiving)),
            }]
        }),
    })
}

fn not_found(repository: &Repository) -> Error {
    // [unknown] ECR's wording.
    Error::new(
        ErrorCode::LifecyclePolicyPreviewNotFoundException,
        format!(
            "Lifecycle policy preview does not exist for the repository with name '{}' in the registry with id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}
