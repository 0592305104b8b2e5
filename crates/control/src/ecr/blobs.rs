//! `/_ecru/blobs`: every stored blob with the repositories that can read it.

use ecru_model::Digest;
use ecru_registry::introspection::list_blobs;
use serde::Serialize;

use super::named::Named;
use crate::body::NoBody;
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "blobs",
    "The stored layers.",
    [route!(
        Get,
        "/_ecru/blobs",
        "listBlobs",
        "Lists every stored layer: digest, size, and the repositories that may read it",
        list
    )]
);

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Blobs {
    blobs: Vec<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Blob {
    digest: Text<Digest>,
    size: i64,
    /// The first 1,000. Empty for a blob that waits for its deletion.
    repositories: Vec<Named>,
    /// Whether other repositories can read it too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    more_repositories: bool,
}

async fn list(call: Call<'_>, paging: Paging, _: NoBody) -> Result<Blobs, Problem> {
    let found = list_blobs(&call.control.ecr, paging.extent()?).await?;
    let (blobs, next) = shown(found, |blob| Blob {
        digest: Text(blob.digest),
        size: blob.size_bytes,
        repositories: blob.repositories.into_iter().map(Named::from).collect(),
        more_repositories: blob.more_repositories,
    });
    Ok(Blobs { blobs, next })
}
