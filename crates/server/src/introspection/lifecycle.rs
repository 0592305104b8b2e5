//! `/_ecru/lifecycle/explain`: why each image of a repository is kept or expires.

use ecru_model::{Region, RegistryId, Scope};
use ecru_registry::lifecycle::{ExplainedImage, explain};
use serde_json::{Value, json};

use super::ecru::{LIMIT_DEFAULT, LIMIT_MAX, repository_name};
use super::{Answered, Asked, Problem, page, time, with};

const REGION_DEFAULT: &str = "us-east-1";

pub(super) async fn explain_images(asked: &Asked<'_>) -> Answered {
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let name = repository_name(asked)?.ok_or(Problem::BadRequest("`repository` is missing"))?;
    let scope = scope(asked)?;
    let explanation = explain(asked.service, scope.clone(), name.clone(), extent).await?;

    let mut body = page("images", &explanation.images, image);
    for (member, value) in [
        ("registryId", scope.registry_id.as_str()),
        ("region", scope.region.as_str()),
        ("repositoryName", name.as_str()),
        ("lifecyclePolicyText", &explanation.policy),
        ("evaluatedAt", &time(explanation.evaluated_at)),
    ] {
        body = with(body, member, value);
    }
    Ok(body)
}

/// The default account and region, unless the query names others.
fn scope(asked: &Asked<'_>) -> Result<Scope, Problem> {
    let registry_id = match asked.query.get("registryId") {
        None => asked.service.default_account.clone(),
        Some(text) => {
            RegistryId::parse(text).map_err(|_| Problem::BadRequest("`registryId` is 12 digits"))?
        }
    };
    let region = Region::parse(asked.query.get("region").unwrap_or(REGION_DEFAULT))
        .map_err(|_| Problem::BadRequest("`region` is not the name of a region"))?;
    Ok(Scope { registry_id, region })
}

fn image(image: &ExplainedImage) -> Value {
    let rules: Vec<Value> = image
        .rules
        .iter()
        .map(|rule| json!({ "rulePriority": rule.priority, "verdict": rule.verdict, "reason": rule.reason }))
        .collect();
    let mut body = json!({
        "imageDigest": image.digest.to_string(),
        "imageTags": image.tags,
        "imagePushedAt": time(image.pushed_at),
        "imageStatus": image.status.as_str(),
        "reason": image.reason,
        "rules": rules,
    });
    if let (Some(action), Some(rule)) = (image.action, image.applied_rule) {
        body = with(body, "action", action);
        body = with(body, "appliedRulePriority", rule);
    }
    body
}
