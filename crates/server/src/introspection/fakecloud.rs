//! `/_fakecloud/ecr/…`: the same data in the shapes that test helpers for that emulator read.

use ecru_registry::introspection::{ImageSummary, StoredBlob, list_blobs, list_images, list_repositories};
use ecru_registry::pull_through_cache::{ListedRule, list_rules};
use serde_json::{Value, json};

use super::{Answered, Asked, Problem, ecru::repository_name, page, repository, time, with};

/// These helpers do not support pages, so one answer must hold all data of a test.
const LIMIT: u32 = 10_000;

/// `None` for a list that does not exist.
pub(super) async fn list(asked: &Asked<'_>, path: &str) -> Option<Answered> {
    Some(match path {
        "ecr/repositories" => repositories(asked).await,
        "ecr/images" => images(asked).await,
        "ecr/blobs" => blobs(asked).await,
        "ecr/pull-through-rules" => pull_through_rules(asked).await,
        _ => return None,
    })
}

async fn repositories(asked: &Asked<'_>) -> Answered {
    let found = list_repositories(asked.service, asked.endpoint, asked.extent(LIMIT, LIMIT)?).await?;
    Ok(page("repositories", &found, repository))
}

async fn images(asked: &Asked<'_>) -> Answered {
    let found = list_images(
        asked.service,
        repository_name(asked)?,
        asked.extent(LIMIT, LIMIT)?,
    )
    .await?;
    Ok(page("images", &found, image))
}

async fn blobs(asked: &Asked<'_>) -> Answered {
    let mut found = list_blobs(asked.service, asked.extent(LIMIT, LIMIT)?).await?;
    // A blob that only awaits collection is gone for every reader, and so for a test that has reset.
    found.items.retain(|blob| !blob.repositories.is_empty());
    Ok(page("blobs", &found, blob))
}

async fn pull_through_rules(asked: &Asked<'_>) -> Answered {
    const AFTER: Problem = Problem::BadRequest("`after` must be the `next` of the previous page");

    let mut after = [(); 3].map(|()| String::new());
    if let Some(key) = asked.query.get("after") {
        let mut parts = key.splitn(3, '/');
        for part in &mut after {
            parts.next().ok_or(AFTER)?.clone_into(part);
        }
    }
    let found = list_rules(asked.service, after, asked.limit(LIMIT, LIMIT)?).await?;
    let body = json!({ "rules": found.items.iter().map(rule).collect::<Vec<_>>() });
    Ok(match found.next {
        Some(next) => with(body, "next", next.join("/")),
        None => body,
    })
}

fn rule(rule: &ListedRule) -> Value {
    let optional = [
        ("upstreamRegistry", &rule.upstream_registry),
        ("credentialArn", &rule.credential_arn),
        ("customRoleArn", &rule.custom_role_arn),
    ];
    let shown = json!({
        "ecrRepositoryPrefix": rule.prefix,
        "upstreamRegistryUrl": rule.upstream_url,
        "createdAt": time(rule.created_at),
        "updatedAt": time(rule.updated_at),
    });
    optional
        .into_iter()
        .fold(shown, |shown, (name, value)| match value {
            Some(value) => with(shown, name, value.as_str()),
            None => shown,
        })
}

fn image(image: &ImageSummary) -> Value {
    json!({
        "repositoryName": image.place.repository_name.as_str(),
        "imageDigest": image.digest.to_string(),
        "imageTags": image.tags,
        "imageSizeInBytes": image.size_bytes,
        "imageManifestMediaType": image.manifest_media_type,
        "imagePushedAt": time(image.pushed_at),
    })
}

fn blob(blob: &StoredBlob) -> Value {
    let names: Vec<&str> = blob
        .repositories
        .iter()
        .map(|place| place.repository_name.as_str())
        .collect();
    json!({ "digest": blob.digest.to_string(), "size": blob.size_bytes, "repositories": names })
}
