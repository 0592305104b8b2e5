//! `/_ecru/repositories`: every repository.

use ecru_model::{Region, RegistryId, RepositoryName, Timestamp};
use ecru_registry::introspection::{RepositorySummary, list_repositories};
use serde::Serialize;

use crate::body::NoBody;
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "repositories",
    "The repositories of every account and region.",
    [route!(
        Get,
        "/_ecru/repositories",
        "listRepositories",
        "Lists every repository: names, ARN, URI, settings, resource tags, number of images and layers",
        list
    )]
);

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Repositories {
    repositories: Vec<Repository>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Repository {
    region: Text<Region>,
    #[serde(flatten)]
    facts: RepositoryFacts,
}

// The members that fakecloud has too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FakecloudRepository"))]
pub(crate) struct RepositoryFacts {
    repository_name: Text<RepositoryName>,
    repository_arn: String,
    registry_id: Text<RegistryId>,
    /// The address for pushes, for clients of the address that the request was sent to.
    repository_uri: String,
    image_tag_mutability: String,
    scan_on_push: bool,
    created_at: Text<Timestamp>,
    tags: Vec<ResourceTag>,
    has_policy: bool,
    has_lifecycle_policy: bool,
    image_count: i64,
    /// The number of blobs that the repository can read.
    layer_count: i64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ResourceTag {
    key: String,
    value: String,
}

async fn list(call: Call<'_>, paging: Paging, _: NoBody) -> Result<Repositories, Problem> {
    let found = list_repositories(&call.control.ecr, call.endpoint, paging.extent()?).await?;
    let (repositories, next) = shown(found, |summary| Repository {
        region: Text(summary.place.scope.region.clone()),
        facts: summary.into(),
    });
    Ok(Repositories { repositories, next })
}

impl From<RepositorySummary> for RepositoryFacts {
    fn from(summary: RepositorySummary) -> Self {
        let tags = summary.tags.into_iter();
        Self {
            repository_arn: summary.place.arn(),
            repository_name: Text(summary.place.repository_name),
            registry_id: Text(summary.place.scope.registry_id),
            repository_uri: summary.uri,
            image_tag_mutability: summary.image_tag_mutability,
            scan_on_push: summary.scan_on_push,
            created_at: Text(summary.created_at),
            tags: tags.map(|(key, value)| ResourceTag { key, value }).collect(),
            has_policy: summary.has_policy,
            has_lifecycle_policy: summary.has_lifecycle_policy,
            image_count: summary.image_count,
            layer_count: summary.layer_count,
        }
    }
}
