//! `/_fakecloud/…`: the same data in the shapes that test helpers for that emulator read.

use ecru_model::{Digest, RepositoryName, Timestamp};
use ecru_registry::introspection::{StoredBlob, list_blobs, list_images, list_repositories};
use ecru_registry::pull_through_cache::{ListedRule, list_rules};
use serde::Serialize;

use crate::body::NoBody;
use crate::call::Call;
use crate::ecr::{ImageFacts, Images, ImagesQuery, RepositoryFacts};
use crate::page::{Paging, shown};
use crate::platform::{reset_any, reset_one};
use crate::problem::Problem;
use crate::route::{Room, room, route};
use crate::text::Text;

/// These helpers do not support pages, so one answer must hold all data of a test.
const LIMIT: u32 = 10_000;

pub(crate) const ROOMS: &[Room] = &[room!(
    "fakecloud",
    "The same data for test helpers of the emulator fakecloud. A page has 10,000 entries.",
    [
        route!(
            Get,
            "/_fakecloud/ecr/repositories",
            "listRepositoriesAsFakecloud",
            "Lists every repository",
            repositories
        ),
        route!(
            Get,
            "/_fakecloud/ecr/images",
            "listImagesAsFakecloud",
            "Lists every image, or the images of `repository`",
            images
        ),
        route!(
            Get,
            "/_fakecloud/ecr/blobs",
            "listBlobsAsFakecloud",
            "Lists every layer that a repository can read",
            blobs
        ),
        route!(
            Get,
            "/_fakecloud/ecr/pull-through-rules",
            "listPullThroughRulesAsFakecloud",
            "Lists every rule of the pull-through cache",
            pull_through_rules
        ),
        route!(
            Post,
            "/_fakecloud/reset",
            "resetAsFakecloud",
            "Deletes all data",
            reset_any
        ),
        route!(
            Post,
            "/_fakecloud/reset/{service}",
            "resetServiceAsFakecloud",
            "Deletes the data of one service",
            reset_one
        ),
    ]
)];

#[derive(Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "FakecloudRepositories")
)]
struct Repositories {
    repositories: Vec<RepositoryFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FakecloudBlobs"))]
struct Blobs {
    blobs: Vec<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FakecloudBlob"))]
struct Blob {
    digest: Text<Digest>,
    size: i64,
    repositories: Vec<Text<RepositoryName>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FakecloudRules"))]
struct Rules {
    rules: Vec<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FakecloudRule"))]
struct Rule {
    ecr_repository_prefix: String,
    upstream_registry_url: String,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_registry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_role_arn: Option<String>,
}

async fn repositories(call: Call<'_>, paging: Paging, _: NoBody) -> Result<Repositories, Problem> {
    let extent = paging.extent_within(LIMIT)?;
    let found = list_repositories(&call.control.ecr, call.endpoint, extent).await?;
    let (repositories, next) = shown(found, RepositoryFacts::from);
    Ok(Repositories { repositories, next })
}

async fn images(call: Call<'_>, query: ImagesQuery, _: NoBody) -> Result<Images<ImageFacts>, Problem> {
    let name = query.repository.map(|Text(name)| name);
    let extent = query.paging.extent_within(LIMIT)?;
    let found = list_images(&call.control.ecr, name, extent).await?;
    let (images, next) = shown(found, ImageFacts::from);
    Ok(Images { images, next })
}

async fn blobs(call: Call<'_>, paging: Paging, _: NoBody) -> Result<Blobs, Problem> {
    let mut found = list_blobs(&call.control.ecr, paging.extent_within(LIMIT)?).await?;
    // A blob that only awaits collection is gone for every reader, and so for a test that has reset.
    found.items.retain(|blob| !blob.repositories.is_empty());
    let (blobs, next) = shown(found, Blob::from);
    Ok(Blobs { blobs, next })
}

async fn pull_through_rules(call: Call<'_>, paging: Paging, _: NoBody) -> Result<Rules, Problem> {
    let after = paging.after_keys()?;
    let mut found = list_rules(&call.control.ecr, after, paging.limit_within(LIMIT)).await?;
    let next = found.next.take().map(|keys| keys.join("/"));
    let rules = found.items.into_iter().map(Rule::from).collect();
    Ok(Rules { rules, next })
}

impl From<StoredBlob> for Blob {
    fn from(blob: StoredBlob) -> Self {
        let repositories = blob.repositories.into_iter();
        Self {
            digest: Text(blob.digest),
            size: blob.size_bytes,
            repositories: repositories.map(|place| Text(place.repository_name)).collect(),
        }
    }
}

impl From<ListedRule> for Rule {
    fn from(rule: ListedRule) -> Self {
        Self {
            ecr_repository_prefix: rule.prefix,
            upstream_registry_url: rule.upstream_url,
            created_at: Text(rule.created_at),
            updated_at: Text(rule.updated_at),
            upstream_registry: rule.upstream_registry,
            credential_arn: rule.credential_arn,
            custom_role_arn: rule.custom_role_arn,
        }
    }
}
