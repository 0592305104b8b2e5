//! Lists every stored blob with the repositories that can read it.

use ecru_model::Digest;
use ecru_platform::paging::{Extent, Filling};
use ecru_platform::{Page, paging};
use ecru_store::{Row, Snapshot, StoreError, Value, stored};

use crate::scoped_name::{SCOPED_NAME_BYTES, ScopedName};
use crate::{Error, Service};

#[derive(Clone, Debug)]
pub struct StoredBlob {
    pub id: i64,
    pub digest: Digest,
    pub size_bytes: i64,
    /// Empty if all these were deleted and the blob awaits collection.
    pub repositories: Vec<ScopedName>,
    /// Whether other repositories can read it too.
    pub more_repositories: bool,
}

const LIST: &str = "SELECT id, digest, size FROM blobs WHERE id > ?1 ORDER BY id LIMIT ?2";

const REPOSITORIES_MAX: usize = 1_000;
/// In the order of the index, so that only these rows are read.
const REPOSITORIES: &str =
    "SELECT r.account, r.region, r.name FROM links l JOIN repositories r ON r.id = l.repository_id
    WHERE l.blob_id = ?1 AND r.deleted = 0 ORDER BY l.repository_id LIMIT ?2";

pub async fn list_blobs(service: &Service, extent: Extent) -> Result<Page<StoredBlob, i64>, Error> {
    paging::read_elsewhere(&service.store, extent.limit, move |at, room| {
        let mut filling = Filling::new(room);
        for mut blob in at.query(LIST, &extent.values(), from_row)? {
            blob.repositories = repositories(at, blob.id)?;
            blob.more_repositories = blob.repositories.len() > REPOSITORIES_MAX;
            blob.repositories.truncate(REPOSITORIES_MAX);
            blob.repositories.sort_unstable_by(ScopedName::order);
            let places = blob
                .repositories
                .iter()
                .map(|place| place.text_bytes() + SCOPED_NAME_BYTES);
            if filling.put(blob.id, places.sum(), || Ok(Some(blob)))?.is_break() {
                break;
            }
        }
        Ok(filling.page())
    })
    .await
}

fn from_row(row: &Row<'_>) -> Result<StoredBlob, StoreError> {
    Ok(StoredBlob {
        id: row.integer(0)?,
        digest: stored(Digest::from_bytes(row.blob(1)?))?,
        size_bytes: row.integer(2)?,
        repositories: Vec::new(),
        more_repositories: false,
    })
}

fn repositories(at: &Snapshot<'_>, blob_id: i64) -> Result<Vec<ScopedName>, StoreError> {
    let limit = i64::try_from(REPOSITORIES_MAX + 1).unwrap_or(i64::MAX);
    at.query(REPOSITORIES, &[blob_id, limit].map(Value::Integer), |row| {
        ScopedName::from_row(row, 0)
    })
}
