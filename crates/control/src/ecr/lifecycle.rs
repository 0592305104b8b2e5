//! `/_ecru/lifecycle/explain`: why each image of a repository is kept or expires.

use ecru_model::{Digest, Timestamp};
use ecru_registry::introspection::ScopedName;
use ecru_registry::lifecycle::{ExplainedImage, explain};
use serde::{Deserialize, Serialize};

use super::named::{Named, OneRepository};
use crate::body::NoBody;
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "lifecycle",
    "What lifecycle policies do.",
    [route!(
        Get,
        "/_ecru/lifecycle/explain",
        "explainLifecycle",
        "Lists for each image of a repository the result of every rule of the lifecycle policy, and why the image is kept or expires",
        explain_images
    )]
);

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExplainQuery {
    #[serde(flatten)]
    repository: OneRepository,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Explained {
    #[serde(flatten)]
    repository: Named,
    lifecycle_policy_text: String,
    /// The time of the clock at which the rules were evaluated.
    evaluated_at: Text<Timestamp>,
    images: Vec<ShownImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ExplainedImage"))]
struct ShownImage {
    image_digest: Text<Digest>,
    image_tags: Vec<String>,
    image_pushed_at: Text<Timestamp>,
    image_status: String,
    reason: String,
    /// The rules whose tag requirement the image meets, in the order of their priorities.
    rules: Vec<ShownRule>,
    /// `EXPIRE` or `TRANSITION`. Absent for an image that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    /// The priority of the rule that acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_rule_priority: Option<i32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ExplainedRule"))]
struct ShownRule {
    rule_priority: i32,
    /// `KEPT`, `CLAIMED`, `BLOCKED`, `EXPIRE` or `TRANSITION`.
    verdict: &'static str,
    reason: String,
}

async fn explain_images(call: Call<'_>, query: ExplainQuery, _: NoBody) -> Result<Explained, Problem> {
    let extent = query.paging.extent()?;
    let named = query.repository.scoped(call);
    let ScopedName {
        scope,
        repository_name,
    } = named.clone();
    let explanation = explain(&call.control.ecr, scope, repository_name, extent).await?;
    let (images, next) = shown(explanation.images, ShownImage::from);
    Ok(Explained {
        repository: named.into(),
        lifecycle_policy_text: explanation.policy,
        evaluated_at: Text(explanation.evaluated_at),
        images,
        next,
    })
}

impl From<ExplainedImage> for ShownImage {
    fn from(image: ExplainedImage) -> Self {
        let rules = image.rules.into_iter().map(|rule| ShownRule {
            rule_priority: rule.priority,
            verdict: rule.verdict,
            reason: rule.reason,
        });
        Self {
            image_digest: Text(image.digest),
            image_tags: image.tags,
            image_pushed_at: Text(image.pushed_at),
            image_status: image.status.as_str().to_owned(),
            reason: image.reason,
            rules: rules.collect(),
            action: image.action,
            applied_rule_priority: image.action.and(image.applied_rule),
        }
    }
}
