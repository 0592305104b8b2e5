//! Rows that keep an image for an index, checked against the manifest of the index.

use std::collections::HashSet;

use ecru_model::Digest;
use ecru_store::{Snapshot, StoreError, Value, stored};

use crate::manifests::Manifest;

const ROWS_AT_ONCE: i64 = 500;

/// Repository, child and index.
type Key = (i64, i64, i64);

pub(super) const FIRST: Key = (i64::MIN, i64::MIN, i64::MIN);

/// The last row that was checked after a key, and the errors of the checked rows.
pub(super) fn verify_some(
    at: &Snapshot<'_>,
    (repository_id, child_id, index_id): Key,
) -> Result<(Option<Key>, Vec<String>), StoreError> {
    let rows = at.query(
        "SELECT c.repository_id, c.child_id, c.index_id, i.digest FROM image_children c
         JOIN images i ON i.id = c.child_id JOIN repositories r ON r.id = c.repository_id
         WHERE r.deleted = 0 AND (c.repository_id, c.child_id, c.index_id) > (?1, ?2, ?3)
         ORDER BY c.repository_id, c.child_id, c.index_id LIMIT ?4",
        &[repository_id, child_id, index_id, ROWS_AT_ONCE].map(Value::Integer),
        |row| {
            let key = (row.integer(0)?, row.integer(1)?, row.integer(2)?);
            Ok((key, stored(Digest::from_bytes(row.blob(3)?))?))
        },
    )?;
    let mut complaints = Vec::new();
    // The children of an index usually follow each other.
    let mut named = (None, HashSet::new());
    for ((_, _, index_id), child) in &rows {
        if named.0 != Some(*index_id) {
            named = (Some(*index_id), children_of(at, *index_id)?);
        }
        if !named.1.contains(child) {
            complaints.push(format!(
                "an image is kept for an index that does not name it: number {index_id} and {child}"
            ));
        }
    }
    Ok((rows.last().map(|(key, _)| *key), complaints))
}

/// Empty if the index does not exist or cannot be read, which is reported elsewhere.
fn children_of(at: &Snapshot<'_>, index_id: i64) -> Result<HashSet<Digest>, StoreError> {
    let found = at.find(
        "SELECT media_type, manifest FROM images WHERE id = ?1",
        &[Value::Integer(index_id)],
        |row| Ok(Manifest::parse(row.blob(1)?, Some(row.text(0)?)).ok()),
    )?;
    let manifest = found.flatten();
    Ok(manifest.map_or_else(HashSet::new, |manifest| manifest.children.into_iter().collect()))
}
