//! `uploads`: sessions that receive a blob, as far as they are on stable storage.

use ecru_model::DigestAlgorithm;

use crate::files::FileName;
use crate::upload_id::UploadId;
use crate::{Row, Snapshot, StoreError, Tx};

/// An upload as stored in its row.
#[derive(PartialEq, Eq)]
pub(crate) struct UploadRow {
    pub(crate) repository_id: i64,
    pub(crate) algorithm: DigestAlgorithm,
    pub(crate) saved: Saved,
    pub(crate) hash_state: Option<Vec<u8>>,
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) parts: Parts,
}

impl UploadRow {
    /// The row of an upload that has received nothing.
    pub(crate) fn empty(repository_id: i64, algorithm: DigestAlgorithm) -> UploadRow {
        UploadRow {
            repository_id,
            algorithm,
            saved: Saved::default(),
            hash_state: None,
            bytes: None,
            parts: Parts::default(),
        }
    }
}

/// The length of an upload that is on stable storage, and its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) offset: u64,
    pub(crate) file: Option<FileName>,
}

/// The sizes of the parts that an upload received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) count: u64,
    pub(crate) last_size: u64,
    /// The size of the smallest part other than the last.
    pub(crate) smallest_inner: Option<u64>,
}

impl Parts {
    pub(crate) fn and(self, size: u64) -> Parts {
        let inner = (self.count > 0).then_some(self.last_size);
        Parts {
            count: self.count + 1,
            last_size: size,
            smallest_inner: [self.smallest_inner, inner].into_iter().flatten().min(),
        }
    }
}

pub(crate) fn find(at: &Snapshot<'_>, id: &UploadId) -> Result<Option<UploadRow>, StoreError> {
    at.find(
        "SELECT repository_id, algorithm, synced_offset, hash_state, file, bytes, part_count, last_part,
                smallest_inner_part
         FROM uploads WHERE id = ?1",
        &[id.as_bytes().into()],
        from_row,
    )
}

/// The uploads after an id, in the order of their ids.
pub(crate) fn list_after(
    at: &Snapshot<'_>,
    last: &[u8],
    count_max: i64,
) -> Result<Vec<(UploadId, UploadRow)>, StoreError> {
    at.query(
        "SELECT repository_id, algorithm, synced_offset, hash_state, file, bytes, part_count, last_part,
                smallest_inner_part, id
         FROM uploads WHERE id > ?1 ORDER BY id LIMIT ?2",
        &[last.into(), count_max.into()],
        |row| Ok((UploadId::from_bytes(row.blob(9)?)?, from_row(row)?)),
    )
}

/// The number of unfinished uploads of a repository.
pub(crate) fn count(at: &Snapshot<'_>, repository_id: i64) -> Result<u64, StoreError> {
    let count = at.find(
        "SELECT uploads FROM repository_counters WHERE repository_id = ?1",
        &[repository_id.into()],
        |row| Ok(row.integer(0)?.unsigned_abs()),
    )?;
    Ok(count.unwrap_or(0))
}

/// The row already exists if an earlier commit seemed to fail but was made.
pub(crate) fn insert(
    tx: &Tx<'_>,
    id: &UploadId,
    repository_id: i64,
    algorithm: DigestAlgorithm,
    now_milliseconds: i64,
) -> Result<(), StoreError> {
    let inserted = tx.execute(
        "INSERT INTO uploads (id, repository_id, created_at, algorithm, synced_offset, bytes, part_count, last_part)
         VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, 0) ON CONFLICT (id) DO NOTHING",
        &[
            id.as_bytes().into(),
            repository_id.into(),
            now_milliseconds.into(),
            stored_algorithm(algorithm).into(),
            [].as_slice().into(),
        ],
    )?;
    if inserted == 1 {
        tx.execute(
            "UPDATE repository_counters SET uploads = uploads + 1 WHERE repository_id = ?1",
            &[repository_id.into()],
        )?;
    }
    Ok(())
}

/// Creates the row of an upload that an earlier process issued and that has received nothing. Returns `false`
/// if the upload has ended.
pub(crate) fn take_up(
    tx: &Tx<'_>,
    id: &UploadId,
    repository_id: i64,
    algorithm: DigestAlgorithm,
) -> Result<bool, StoreError> {
    if has_ended(tx, id)? {
        return Ok(false);
    }
    insert(tx, id, repository_id, algorithm, id.issued_at())?;
    Ok(true)
}

/// Whether an upload that had a row has ended, while its id would still be valid.
pub(crate) fn has_ended(at: &Snapshot<'_>, id: &UploadId) -> Result<bool, StoreError> {
    let ended = at.find(
        "SELECT 1 FROM ended_uploads WHERE id = ?1",
        &[id.as_bytes().into()],
        |row| row.integer(0),
    )?;
    Ok(ended.is_some())
}

/// Deletes the records of ended uploads that were issued before a time.
pub(crate) fn forget_ended(tx: &Tx<'_>, milliseconds: i64, count_max: i64) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM ended_uploads WHERE id IN (SELECT id FROM ended_uploads WHERE id < ?1 ORDER BY id LIMIT ?2)",
        &[UploadId::first_of(milliseconds).as_bytes().into(), count_max.into()],
    )
    .map(drop)
}

/// The progress of an upload, for its row.
pub(crate) struct Progress {
    pub(crate) saved: Saved,
    pub(crate) hash_state: Option<Vec<u8>>,
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) parts: Parts,
}

/// Returns whether the upload still existed.
pub(crate) fn save(tx: &Tx<'_>, id: &UploadId, progress: &Progress) -> Result<bool, StoreError> {
    let file = progress.saved.file.map(|name| name.to_string());
    let changed = tx.execute(
        "UPDATE uploads SET synced_offset = ?2, hash_state = ?3, file = ?4, bytes = ?5, part_count = ?6,
                            last_part = ?7, smallest_inner_part = ?8
         WHERE id = ?1",
        &[
            id.as_bytes().into(),
            progress.saved.offset.cast_signed().into(),
            progress.hash_state.as_ref().into(),
            file.as_ref().into(),
            progress.bytes.as_ref().into(),
            progress.parts.count.cast_signed().into(),
            progress.parts.last_size.cast_signed().into(),
            progress.parts.smallest_inner.map(u64::cast_signed).into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Returns whether the upload still existed.
pub(crate) fn delete(tx: &Tx<'_>, id: &UploadId) -> Result<bool, StoreError> {
    let deleted = tx.returning(
        "DELETE FROM uploads WHERE id = ?1 RETURNING repository_id",
        &[id.as_bytes().into()],
        |row| row.integer(0),
    )?;
    let Some(repository_id) = deleted else {
        return Ok(false);
    };
    tx.execute(
        "UPDATE repository_counters SET uploads = uploads - 1 WHERE repository_id = ?1 AND uploads > 0",
        &[repository_id.into()],
    )?;
    if id.stamp().is_some() {
        tx.execute(
            "INSERT INTO ended_uploads (id) VALUES (?1)",
            &[id.as_bytes().into()],
        )?;
    }
    Ok(true)
}

pub(crate) fn list_of(
    at: &Snapshot<'_>,
    repository_id: i64,
    count_max: i64,
) -> Result<Vec<UploadId>, StoreError> {
    at.query(
        "SELECT id FROM uploads WHERE repository_id = ?1 LIMIT ?2",
        &[repository_id.into(), count_max.into()],
        |row| UploadId::from_bytes(row.blob(0)?),
    )
}

/// Uploads that began outside the range of two times, oldest first, with their repositories.
pub(crate) fn list_begun_outside(
    at: &Snapshot<'_>,
    (first, last): (i64, i64),
    count_max: i64,
) -> Result<Vec<(i64, UploadId)>, StoreError> {
    let mut found = Vec::new();
    for (sql, milliseconds) in [
        (
            "SELECT repository_id, id FROM uploads WHERE created_at < ?1 ORDER BY created_at LIMIT ?2",
            first,
        ),
        (
            "SELECT repository_id, id FROM uploads WHERE created_at > ?1 ORDER BY created_at LIMIT ?2",
            last,
        ),
    ] {
        found.extend(at.query(sql, &[milliseconds.into(), count_max.into()], |row| {
            Ok((row.integer(0)?, UploadId::from_bytes(row.blob(1)?)?))
        })?);
    }
    Ok(found)
}

fn from_row(row: &Row<'_>) -> Result<UploadRow, StoreError> {
    let algorithm = match row.integer(1)? {
        256 => DigestAlgorithm::Sha256,
        512 => DigestAlgorithm::Sha512,
        _ => return Err(StoreError::damaged("an upload has an unknown algorithm")),
    };
    let file = row.optional_text(4)?.map(FileName::from_stored).transpose()?;
    Ok(UploadRow {
        repository_id: row.integer(0)?,
        algorithm,
        saved: Saved {
            offset: row.integer(2)?.unsigned_abs(),
            file,
        },
        hash_state: row.optional_blob(3)?.map(<[u8]>::to_vec),
        bytes: row.optional_blob(5)?.map(<[u8]>::to_vec),
        parts: Parts {
            count: row.integer(6)?.unsigned_abs(),
            last_size: row.integer(7)?.unsigned_abs(),
            smallest_inner: row.optional_integer(8)?.map(i64::unsigned_abs),
        },
    })
}

fn stored_algorithm(algorithm: DigestAlgorithm) -> i64 {
    match algorithm {
        DigestAlgorithm::Sha256 => 256,
        DigestAlgorithm::Sha512 => 512,
    }
}
