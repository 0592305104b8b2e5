//! `/_ecru/images`: every image, or the images of all repositories of one name.

use ecru_model::{Digest, Region, RegistryId, RepositoryName, Timestamp};
use ecru_registry::introspection::{ImageSummary, list_images};
use serde::{Deserialize, Serialize};

use crate::body::NoBody;
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "images",
    "The images of every account and region.",
    [route!(
        Get,
        "/_ecru/images",
        "listImages",
        "Lists every image, or the images of `repository`: digest, tags, size, media type, time of push",
        list
    )]
);

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ImagesQuery {
    /// Only images of repositories with this name.
    pub(crate) repository: Option<Text<RepositoryName>>,
    #[serde(flatten)]
    pub(crate) paging: Paging,
}

/// A page of images.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "{T}s"))]
pub(crate) struct Images<T> {
    pub(crate) images: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Image {
    registry_id: Text<RegistryId>,
    region: Text<Region>,
    #[serde(flatten)]
    facts: ImageFacts,
}

// The members that fakecloud has too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FakecloudImage"))]
pub(crate) struct ImageFacts {
    repository_name: Text<RepositoryName>,
    image_digest: Text<Digest>,
    image_tags: Vec<String>,
    image_size_in_bytes: i64,
    image_manifest_media_type: String,
    image_pushed_at: Text<Timestamp>,
}

async fn list(call: Call<'_>, query: ImagesQuery, _: NoBody) -> Result<Images<Image>, Problem> {
    let name = query.repository.map(|Text(name)| name);
    let found = list_images(&call.control.ecr, name, query.paging.extent()?).await?;
    let (images, next) = shown(found, |summary| Image {
        registry_id: Text(summary.place.scope.registry_id.clone()),
        region: Text(summary.place.scope.region.clone()),
        facts: summary.into(),
    });
    Ok(Images { images, next })
}

impl From<ImageSummary> for ImageFacts {
    fn from(summary: ImageSummary) -> Self {
        Self {
            repository_name: Text(summary.place.repository_name),
            image_digest: Text(summary.digest),
            image_tags: summary.tags,
            image_size_in_bytes: summary.size_bytes,
            image_manifest_media_type: summary.manifest_media_type,
            image_pushed_at: Text(summary.pushed_at),
        }
    }
}
