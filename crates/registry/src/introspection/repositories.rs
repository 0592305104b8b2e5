//! Lists every repository.

use std::sync::Arc;

use ecru_model::Timestamp;
use ecru_platform::paging::{Extent, Filling};
use ecru_platform::{Page, paging};
use ecru_store::{Row, Snapshot, StoreError, Value};

use crate::scoped_name::ScopedName;
use crate::{Caller, Context, Endpoint, Error, Service};

#[derive(Clone, Debug)]
pub struct RepositorySummary {
    pub id: i64,
    pub place: ScopedName,
    /// The address for pushes, for clients of the API that received the request.
    pub uri: String,
    pub created_at: Timestamp,
    pub image_tag_mutability: String,
    pub scan_on_push: bool,
    pub has_policy: bool,
    pub has_lifecycle_policy: bool,
    pub tags: Vec<(String, String)>,
    pub image_count: i64,
    /// The number of blobs that the repository can read.
    pub layer_count: i64,
}

const LIST: &str = "SELECT r.id, r.account, r.region, r.name, r.created_at, r.tag_mutability, r.scan_on_push,
        CASE WHEN r.policy IS NULL THEN 0 ELSE 1 END,
        COALESCE((SELECT c.images FROM repository_counters c WHERE c.repository_id = r.id), 0),
        (SELECT COUNT(*) FROM links l WHERE l.repository_id = r.id),
        (SELECT COUNT(*) FROM lifecycle_policies p WHERE p.repository_id = r.id)
    FROM repositories r WHERE r.id > ?1 AND r.deleted = 0 ORDER BY r.id LIMIT ?2";

/// The cost of a resource tag beside its texts.
const TAG_BYTES: usize = 32;

const TAGS: &str = "SELECT key, value FROM resource_tags WHERE repository_id = ?1 ORDER BY key";

pub async fn list_repositories(
    service: &Arc<Service>,
    endpoint: &Endpoint,
    extent: Extent,
) -> Result<Page<RepositorySummary, i64>, Error> {
    let mut page = paging::read_elsewhere(&service.store, extent.limit, move |at, room| {
        let mut filling = Filling::new(room);
        at.each(LIST, &extent.values(), &mut |row| {
            let mut repository = from_row(row)?;
            repository.tags = tags(at, repository.id)?;
            let tags = repository
                .tags
                .iter()
                .map(|(key, value)| key.len() + value.len() + TAG_BYTES);
            // The name is also part of the ARN and of the URI.
            let bytes = 3 * repository.place.text_bytes() + tags.sum::<usize>();
            filling.put(repository.id, bytes, || Ok(Some(repository)))
        })?;
        Ok::<_, Error>(filling.page())
    })
    .await?;
    for repository in &mut page.items {
        repository.uri = uri(service, endpoint, &repository.place);
    }
    Ok(page)
}

fn from_row(row: &Row<'_>) -> Result<RepositorySummary, StoreError> {
    Ok(RepositorySummary {
        id: row.integer(0)?,
        place: ScopedName::from_row(row, 1)?,
        uri: String::new(),
        created_at: Timestamp::from_millis(row.integer(4)?),
        image_tag_mutability: row.text(5)?.to_owned(),
        scan_on_push: row.boolean(6)?,
        has_policy: row.boolean(7)?,
        tags: Vec::new(),
        image_count: row.integer(8)?,
        layer_count: row.integer(9)?,
        has_lifecycle_policy: row.boolean(10)?,
    })
}

fn tags(at: &Snapshot<'_>, repository_id: i64) -> Result<Vec<(String, String)>, StoreError> {
    at.query(TAGS, &[Value::Integer(repository_id)], |row| {
        Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
    })
}

fn uri(service: &Arc<Service>, endpoint: &Endpoint, place: &ScopedName) -> String {
    let owner = Caller::root(&place.scope);
    let ctx = Context::new(service, owner, place.scope.clone(), endpoint.clone());
    format!(
        "{}/{}",
        ctx.registry_authority(&place.scope),
        place.repository_name
    )
}
