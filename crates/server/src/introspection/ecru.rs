//! `/_ecru/…`: lists in pages, each entry with the account and region it belongs to.

use ecru_model::{Region, RegistryId, RepositoryName};
use ecru_platform::jobs::{WaitingJob, list_jobs};
use ecru_platform::principals::{Principal, list_principals};
use ecru_registry::Error;
use ecru_registry::events::{Envelope, EventFilter, list_events};
use ecru_registry::introspection::{
    ImageSummary, ScopedName, StoredBlob, list_blobs, list_images, list_repositories,
};
use serde_json::{Value, json};

use super::{Answered, Asked, Problem, lifecycle, page, repository, time, with};

pub(super) const LIMIT_DEFAULT: u32 = 100;
pub(super) const LIMIT_MAX: u32 = 1000;

/// `None` for a list that does not exist.
pub(super) async fn list(asked: &Asked<'_>, name: &str) -> Option<Answered> {
    Some(match name {
        "repositories" => repositories(asked).await,
        "images" => images(asked).await,
        "blobs" => blobs(asked).await,
        "lifecycle/explain" => lifecycle::explain_images(asked).await,
        "jobs" => jobs(asked).await,
        "principals" => principals(asked).await,
        _ => return None,
    })
}

async fn repositories(asked: &Asked<'_>) -> Answered {
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_repositories(asked.service, asked.endpoint, extent).await?;
    Ok(page("repositories", &found, |summary| {
        with(repository(summary), "region", summary.place.scope.region.as_str())
    }))
}

async fn images(asked: &Asked<'_>) -> Answered {
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_images(asked.service, repository_name(asked)?, extent).await?;
    Ok(page("images", &found, image))
}

async fn blobs(asked: &Asked<'_>) -> Answered {
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_blobs(asked.service, extent).await?;
    Ok(page("blobs", &found, blob))
}

/// Returns a page as text. A large page is built and printed on a thread that serves no requests.
pub(super) async fn events(asked: &Asked<'_>) -> Result<String, Problem> {
    const ACCOUNT: Problem = Problem::BadRequest("an account is 12 digits");
    const REGION: Problem = Problem::BadRequest("`region` is not the name of a region");

    let account = asked.query.get("account").map(RegistryId::parse).transpose();
    let region = asked.query.get("region").map(Region::parse).transpose();
    let filter = EventFilter {
        account: account.map_err(|_| ACCOUNT)?,
        region: region.map_err(|_| REGION)?,
        repository: asked.query.get("repository").map(str::to_owned),
        detail_type: asked.query.get("detail-type").map(str::to_owned),
    };
    let found = list_events(asked.service, filter, asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?).await?;
    let print = move || page("events", &found, Envelope::to_json).to_string();
    let printed = tokio::task::spawn_blocking(print).await;
    printed.map_err(|panic| Problem::Registry(Error::server("events were not printed").caused_by(panic)))
}

async fn jobs(asked: &Asked<'_>) -> Answered {
    let found = list_jobs(&asked.service.store, asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?).await?;
    Ok(page("jobs", &found, job))
}

/// Sorted by access key, so that a page can begin after one.
async fn principals(asked: &Asked<'_>) -> Answered {
    let after = asked.query.get("after").unwrap_or_default();
    let limit = asked.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_principals(asked.service, after.to_owned(), limit).await?;
    let items = found.items.iter().map(principal).collect::<Vec<_>>();
    let body = json!({ "principals": items });
    Ok(match found.next {
        Some(next) => with(body, "next", next),
        None => body,
    })
}

fn principal(principal: &Principal) -> Value {
    json!({ "accessKeyId": principal.access_key_id, "arn": principal.arn })
}

fn job(job: &WaitingJob) -> Value {
    let mut shown = json!({
        "kind": job.kind,
        "registryId": job.scope.registry_id.as_str(),
        "region": job.scope.region.as_str(),
        "subject": job.subject,
        "running": job.running,
        "attempts": job.attempts,
    });
    if let Some(due) = job.due {
        shown = with(shown, "due", time(due));
    }
    match &job.last_error {
        Some(problem) => with(shown, "lastError", problem.as_str()),
        None => shown,
    }
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
    let shown =
        json!({ "digest": blob.digest.to_string(), "size": blob.size_bytes, "repositories": repositories });
    if blob.more_repositories {
        return with(shown, "moreRepositories", true);
    }
    shown
}

fn place(place: &ScopedName) -> Value {
    json!({
        "registryId": place.scope.registry_id.as_str(),
        "region": place.scope.region.as_str(),
        "repositoryName": place.repository_name.as_str(),
    })
}
