//! Every stored blob, and the repositories it can be read through.

use ecru_model::Digest;
use ecru_store::{Row, Snapshot, StoreError, Value};

use super::{Extent, Place};
use crate::{Error, Page, Service, repositories::stored};

#[derive(Clone, Debug)]
pub struct StoredBlob {
    pub id: i64,
    pub digest: Digest,
    pub size_bytes: i64,
    /// None when all were deleted and the blob awaits collection.
    pub repositories: Vec<Place>,
}

const LIST: &str = "SELECT id, digest, size FROM blobs WHERE id > ?1 ORDER BY id LIMIT ?2";

const REPOSITORIES: &str =
    "SELECT r.account, r.region, r.name FROM links l JOIN repositories r ON r.id = l.repository_id
    WHERE l.blob_id = ?1 AND r.deleted = 0 ORDER BY r.account, r.region, r.name";

pub async fn list_blobs(service: &Service, extent: Extent) -> Result<Page<StoredBlob, i64>, Error> {
    let found = service.store.read_many(move |at| {
        let mut found = at.query(LIST, &extent.values(), from_row)?;
        for blob in &mut found {
            blob.repositories = repositories(at, blob.id)?;
        }
        Ok::<_, Error>(found)
    });
    Ok(extent.page(found.await?, |blob| blob.id))
}

fn from_row(row: &Row<'_>) -> Result<StoredBlob, StoreError> {
    Ok(StoredBlob {
        id: row.integer(0)?,
        digest: stored(Digest::from_bytes(row.blob(1)?))?,
        size_bytes: row.integer(2)?,
        repositories: Vec::new(),
    })
}

fn repositories(at: &Snapshot<'_>, blob_id: i64) -> Result<Vec<Place>, StoreError> {
    at.query(REPOSITORIES, &[Value::Integer(blob_id)], |row| {
        Place::from_row(row, 0)
    })
}
