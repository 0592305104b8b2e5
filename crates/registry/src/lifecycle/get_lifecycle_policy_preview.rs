//! `GetLifecyclePolicyPreview`: what the preview of a repository has come to, in pages.

use ecru_model::{
    Digest, ErrorCode, GetLifecyclePolicyPreviewInput as Input, GetLifecyclePolicyPreviewOutput as Output,
    ImageActionType, ImageIdentifier, ImageTag, LifecyclePolicyPreviewResult,
    LifecyclePolicyPreviewStatus as Status, LifecyclePolicyPreviewSummary, LifecyclePolicyRuleAction,
    LifecyclePolicyTargetStorageClass, LifecyclePolicyText, TagStatus, TransitioningImageTotalCount,
};
use ecru_store::Snapshot;

use super::policy::Action;
use super::preview::{self, Preview, PreviewResult};
use crate::paging::{self, Listing};
use crate::repositories::{Repository, stored};
use crate::{Context, Error, Page, images};

/// A filter that few results pass gives a short page with a token.
const ROWS_EXAMINED_PER_ROW: u32 = 10;

pub async fn get_lifecycle_policy_preview(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetLifecyclePolicyPreview", input.registry_id.as_ref());
    let token = input.next_token.as_deref();
    paging::refuse_paging(input.image_ids.is_some(), "imageIds", input.max_results, token)?;
    let tag_status = input.filter.and_then(|filter| filter.tag_status);
    let limit = paging::limit(input.max_results);

    ctx.store.read(|at| {
        let repository = access.repository(at, &input.repository_name)?;
        let preview = preview::find(at, &repository)?.ok_or_else(|| not_found(&repository))?;
        let listing = Listing {
            keys: &ctx.keys,
            operation: "GetLifecyclePolicyPreview",
            scope: &access.scope,
            repository: input.repository_name.as_str(),
            filter: format!("{tag_status:?} {}", preview.started_at.as_millis()),
        };
        let after = listing.integer_key(token)?;
        let found = match &input.image_ids {
            // Results are shown once they are all there.
            _ if preview.status != Status::Complete => Page {
                items: Vec::new(),
                next: None,
            },
            Some(ids) => Page {
                items: named(at, &repository, ids, tag_status)?,
                next: None,
            },
            None => page(at, &repository, tag_status, after, limit)?,
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
    tag_status: Option<TagStatus>,
    after: i64,
    limit: u32,
) -> Result<Page<PreviewResult, i64>, Error> {
    let rows_max = match tag_status {
        Some(TagStatus::Tagged | TagStatus::Untagged) => limit * ROWS_EXAMINED_PER_ROW,
        Some(TagStatus::Any) | None => limit,
    };
    let rows = preview::results(at, repository, after, rows_max + 1)?;
    let more = rows.len() > rows_max as usize;
    let mut items = Vec::new();
    let mut reached = after;
    for row in rows.into_iter().take(rows_max as usize) {
        if items.len() == limit as usize {
            return Ok(Page {
                items,
                next: Some(reached),
            });
        }
        reached = row.position;
        if passes(&row, tag_status) {
            items.push(row);
        }
    }
    Ok(Page {
        items,
        next: more.then_some(reached),
    })
}

/// Of the named images those that would go; the others are left out.
fn named(
    at: &Snapshot<'_>,
    repository: &Repository,
    ids: &[ImageIdentifier],
    tag_status: Option<TagStatus>,
) -> Result<Vec<PreviewResult>, Error> {
    let mut digests = Vec::<Digest>::new();
    for id in ids {
        if let Some(digest) = images::resolve(at, repository, id)?
            && !digests.contains(&digest)
        {
            digests.push(digest);
        }
    }
    let mut found = Vec::new();
    for digest in &digests {
        found.extend(preview::result_of(at, repository, digest)?.filter(|result| passes(result, tag_status)));
    }
    Ok(found)
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
    // [unknown] in ECR's words.
    Error::new(
        ErrorCode::LifecyclePolicyPreviewNotFoundException,
        format!(
            "Lifecycle policy preview does not exist for the repository with name '{}' in the registry with id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}
