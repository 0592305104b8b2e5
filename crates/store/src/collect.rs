//! Collection: what no image needs any more goes, first its row, then its bytes.
//!
//! Readers find what may go, and short transactions look again at each row before they remove it. A push therefore
//! either finds the row inside its own transaction or brings its own file, and no lock is needed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::core::{Core, off_thread};
use crate::files::FileName;
use crate::{Row, Snapshot, StoreError, Tried};

const LINK_GRACE_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
const STRAY_AGE_MIN: Duration = Duration::from_hours(1);
const FOUND_COUNT_MAX: i64 = 500;
const REMOVED_COUNT_MAX: usize = 200;

/// Links that no image has needed for longer than the grace.
pub(crate) async fn unused_links(core: &Arc<Core>, now_milliseconds: i64) -> Result<usize, StoreError> {
    let used_before = now_milliseconds - LINK_GRACE_MILLISECONDS;
    let mut removed = 0;
    let mut last = (i64::MIN, i64::MIN);
    loop {
        let found = core
            .readers
            .read_many(move |at| find_unused_links(at, last, used_before))
            .await?;
        let Some(end) = found.last() else {
            return Ok(removed);
        };
        last = *end;
        for some in found.chunks(REMOVED_COUNT_MAX) {
            removed += remove_links(core, some.to_vec(), used_before).await?;
        }
    }
}

fn find_unused_links(
    at: &Snapshot<'_>,
    (repository_id, blob_id): (i64, i64),
    used_before: i64,
) -> Result<Vec<(i64, i64)>, StoreError> {
    at.query(
        "SELECT repository_id, blob_id FROM links
         WHERE (repository_id, blob_id) > (?1, ?2) AND used_at < ?3
           AND NOT EXISTS (SELECT 1 FROM image_blobs
                           WHERE image_blobs.repository_id = links.repository_id
                             AND image_blobs.blob_id = links.blob_id)
         ORDER BY repository_id, blob_id LIMIT ?4",
        &[
            repository_id.into(),
            blob_id.into(),
            used_before.into(),
            FOUND_COUNT_MAX.into(),
        ],
        |row| Ok((row.integer(0)?, row.integer(1)?)),
    )
}

async fn remove_links(core: &Core, links: Vec<(i64, i64)>, used_before: i64) -> Result<usize, StoreError> {
    core.write(move |tx| {
        let mut removed = 0;
        for (repository_id, blob_id) in &links {
            removed += tx.execute(
                "DELETE FROM links WHERE repository_id = ?1 AND blob_id = ?2 AND used_at < ?3
                   AND NOT EXISTS (SELECT 1 FROM image_blobs WHERE repository_id = ?1 AND blob_id = ?2)",
                &[(*repository_id).into(), (*blob_id).into(), used_before.into()],
            )?;
        }
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    })
    .await
}

/// Blobs that no repository links.
pub(crate) async fn unlinked_blobs(core: &Arc<Core>) -> Result<usize, StoreError> {
    let mut removed = 0;
    let mut last = i64::MIN;
    loop {
        let found = core
            .readers
            .read_many(move |at| find_unlinked_blobs(at, last))
            .await?;
        let Some(end) = found.last() else {
            return Ok(removed);
        };
        last = *end;
        for some in found.chunks(REMOVED_COUNT_MAX) {
            let files = remove_blobs(core, some.to_vec()).await?;
            removed += files.len();
            unlink_all(core, files.into_iter().flatten().collect()).await?;
        }
    }
}

fn find_unlinked_blobs(at: &Snapshot<'_>, last: i64) -> Result<Vec<i64>, StoreError> {
    at.query(
        "SELECT id FROM blobs
         WHERE id > ?1 AND NOT EXISTS (SELECT 1 FROM links WHERE links.blob_id = blobs.id)
         ORDER BY id LIMIT ?2",
        &[last.into(), FOUND_COUNT_MAX.into()],
        |row| row.integer(0),
    )
}

/// The file, if any, of each blob that was removed.
async fn remove_blobs(core: &Core, ids: Vec<i64>) -> Result<Vec<Option<FileName>>, StoreError> {
    core.write(move |tx| {
        let mut files = Vec::new();
        for id in &ids {
            let removed = tx.find(
                "DELETE FROM blobs
                 WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM links WHERE blob_id = ?1) RETURNING file",
                &[(*id).into()],
                |row| row.optional_text(0)?.map(FileName::from_stored).transpose(),
            )?;
            files.extend(removed);
        }
        Ok(files)
    })
    .await
}

/// Files of a process before this one that no row names.
pub(crate) async fn stray_files(core: &Arc<Core>) -> Result<usize, StoreError> {
    let Some(made_before) = core.opened_at.checked_sub(STRAY_AGE_MIN) else {
        return Ok(0);
    };
    let files = core.files.clone();
    let mut strays = off_thread(move || {
        files
            .list_made_before(made_before)
            .tried("read the blob directory")
    })
    .await?;
    if strays.is_empty() {
        return Ok(0);
    }

    let named = core.readers.read_many(named_files).await?;
    strays.retain(|name| !named.contains(name));
    let count = strays.len();
    unlink_all(core, strays).await?;
    Ok(count)
}

fn named_files(at: &Snapshot<'_>) -> Result<HashSet<FileName>, StoreError> {
    let name = |row: &Row<'_>| FileName::from_stored(row.text(0)?);
    let mut named = HashSet::new();
    named.extend(at.query("SELECT file FROM blobs WHERE file IS NOT NULL", &[], name)?);
    named.extend(at.query("SELECT file FROM uploads WHERE file IS NOT NULL", &[], name)?);
    Ok(named)
}

async fn unlink_all(core: &Core, names: Vec<FileName>) -> Result<(), StoreError> {
    if names.is_empty() {
        return Ok(());
    }
    let files = core.files.clone();
    off_thread(move || {
        for name in names {
            files.unlink_quietly(name);
        }
        Ok(())
    })
    .await
}
