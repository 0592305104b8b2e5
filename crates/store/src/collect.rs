//! Collection: removes content that no image needs any more, first the row, then the bytes.
//!
//! Readers find candidates, and short transactions check each row again before they remove it. A push
//! therefore either finds the row inside its own transaction or stores a file of its own, and no lock is
//! needed.

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

/// The number of removed blobs or files, and their bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Removed {
    pub(crate) count: usize,
    pub(crate) bytes: u64,
}

/// Removes links that no image has needed for longer than the grace period.
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
         WHERE (repository_id, blob_id) > (?1, ?2) AND used_at < ?3 AND images = 0
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
                "DELETE FROM links WHERE repository_id = ?1 AND blob_id = ?2 AND used_at < ?3 AND images = 0",
                &[(*repository_id).into(), (*blob_id).into(), used_before.into()],
            )?;
        }
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    })
    .await
}

/// Removes blobs that no repository links.
pub(crate) async fn unlinked_blobs(core: &Arc<Core>) -> Result<Removed, StoreError> {
    let mut removed = Removed::default();
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
            let blobs = remove_blobs(core, some.to_vec()).await?;
            removed.count += blobs.len();
            removed.bytes += blobs.iter().map(|(size, _)| size).sum::<u64>();
            unlink_all(core, blobs.into_iter().filter_map(|(_, file)| file).collect()).await?;
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

/// Returns the size and the file, if any, of each blob that was removed.
async fn remove_blobs(core: &Core, ids: Vec<i64>) -> Result<Vec<(u64, Option<FileName>)>, StoreError> {
    core.write(move |tx| {
        let mut blobs = Vec::new();
        for id in &ids {
            let removed = tx.returning(
                "DELETE FROM blobs
                 WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM links WHERE blob_id = ?1)
                 RETURNING size, file",
                &[(*id).into()],
                |row| {
                    let file = row.optional_text(1)?.map(FileName::from_stored).transpose()?;
                    Ok((row.integer(0)?.unsigned_abs(), file))
                },
            )?;
            blobs.extend(removed);
        }
        Ok(blobs)
    })
    .await
}

/// Removes files of earlier processes that no row names.
pub(crate) async fn stray_files(core: &Arc<Core>) -> Result<Removed, StoreError> {
    let strays = find_stray_files(core).await?;
    let removed = Removed {
        count: strays.len(),
        bytes: strays.iter().map(|(_, size)| size).sum(),
    };
    unlink_all(core, strays.into_iter().map(|(name, _)| name).collect()).await?;
    Ok(removed)
}

/// A row may be about to name a file that this process has made. Files of earlier processes have no such row.
pub(crate) async fn find_stray_files(core: &Arc<Core>) -> Result<Vec<(FileName, u64)>, StoreError> {
    let Some(made_before) = core.opened_at.checked_sub(STRAY_AGE_MIN) else {
        return Ok(Vec::new());
    };
    let files = core.files.clone();
    let mut strays = off_thread(move || {
        files
            .list_made_before(made_before)
            .tried("read the blob directory")
    })
    .await?;
    if !strays.is_empty() {
        let named = core.readers.read_many(named_files).await?;
        strays.retain(|(name, _)| !named.contains(name));
    }
    Ok(strays)
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
