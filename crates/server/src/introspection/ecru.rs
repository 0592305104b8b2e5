//! `/_ecru/…`: lists in pages, each entry with the account and region it belongs to.

use ecru_model::RepositoryName;
use ecru_registry::introspection::{
    ImageSummary, Place, StoredBlob, list_blobs, list_images, list_repositories,
};
use serde_json::{Value, json};

use super::{Asked, Listed, Problem, page, repository, time, with};

pub(super) const LIMIT_DEFAULT: u32 = 100;
pub(super) const LIMIT_MAX: u32 = 1000;

/// None for a list that there is not.
pub(super) async fn list(asked: &Asked<'_>, name: &str) -> Option<Listed> {
    Some(match name {
        "repositories" => repositories(asked).await,
        "images" => images(asked).await,
        "blobs" => blobs(asked).await,
        _ => return None,
    })
}

async fn repositories(asked: &Asked<'_>) -> Listed {
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_repositories(asked.service, asked.endpoint, extent).await?;
    Ok(page("repositories", &found, |summary| {
        with(repository(summary), "region", summary.place.scope.region.as_str())
    }))
}

async fn images(asked: &Asked<'_>) -> Listed {
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_images(asked.service, repository_name(asked)?, extent).await?;
    Ok(page("images", &found, image))
}

async fn blobs(asked: &Asked<'_>) -> Listed {
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_blobs(asked.service, extent).await?;
    Ok(page("blobs", &found, blob))
}

pub(super) fn repository_name(asked: &Asked<'_>) -> Result<Option<RepositoryName>, Problem> {
    let name = asked
        .query
        .get("repository")
        .map(RepositoryName::parse)
        .transpose();
    name.map_err(|_| Problem::BadRequest("`repository` is not the name of a repository"))
}

fn image(image: &ImageSummary) -> Value {
    json!({
        "registryId": image.place.scope.registry_id.as_str(),
        "region": image.place.scope.region.as_str(),
        "repositoryName": image.place.repository_name.as_str(),
        "imageDigest": image.digest.to_string(),
        "imageTags": image.tags,
        "imageSizeInBytes": image.size_bytes,
        "imageManifestMediaType": image.manifest_media_type,
        "imagePushedAt": time(image.pushed_at),
    })
}

fn blob(blob: &StoredBlob) -> Value {
    let repositories: Vec<Value> = blob.repositories.iter().map(place).collect();
    json!({ "digest": blob.digest.to_string(), "size": blob.size_bytes, "repositories": repositories })
}

fn place(place: &Place) -> Value {
    json!({
        "registryId": place.scope.registry_id.as_str(),
        "region": place.scope.region.as_str(),
        "repositoryName": place.repository_name.as_str(),
    })
}
