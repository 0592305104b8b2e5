//! `links`: the repositories that may read a blob, and when each last needed it.

use crate::{Snapshot, StoreError, Tx};

/// A repository's right to read a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub used_at: i64,
}

pub fn find(at: &Snapshot<'_>, repository_id: i64, blob_id: i64) -> Result<Option<Link>, StoreError> {
    at.find(
        "SELECT used_at FROM links WHERE repository_id = ?1 AND blob_id = ?2",
        &[repository_id.into(), blob_id.into()],
        |row| {
            Ok(Link {
                used_at: row.integer(0)?,
            })
        },
    )
}

/// Links the blob, or renews the existing link. `now` is machine time, like the grace period of the
/// collection.
pub fn insert(
    tx: &Tx<'_>,
    repository_id: i64,
    blob_id: i64,
    now_milliseconds: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO links (repository_id, blob_id, used_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository_id, blob_id) DO UPDATE SET used_at = excluded.used_at
             WHERE excluded.used_at > links.used_at",
        &[repository_id.into(), blob_id.into(), now_milliseconds.into()],
    )
    .map(drop)
}
