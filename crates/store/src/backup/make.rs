//! Makes or renews a backup while pushes and pulls go on.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;

use uuid::Uuid;

use crate::backend::{Connection, Moment};
use crate::backup::copy::{NotCopied, copy_blob};
use crate::backup::marker::Marker;
use crate::backup::place::BackupPlace;
use crate::backup::{BackedUp, BackupError};
use crate::core::Core;
use crate::files::FileName;
use crate::io::create_private;
use crate::tables::blobs::{self, Blob, Place};
use crate::{Report, Snapshot, StoreError, Tried};

const BLOBS_AT_ONCE: i64 = 500;

/// While the hold exists no file is removed, so the rows are copied first, then the files that they name.
pub(crate) fn make(core: &Core, directory: &Path, report: &Report) -> Result<BackedUp, BackupError> {
    let place = BackupPlace::open(directory)?;
    let backend = core.readers.backend();
    let snapshots = backend.snapshots().ok_or(BackupError::NoSnapshots)?;
    let standing = Marker::find(directory, snapshots.extension())?;
    place.remove_databases_but(
        standing.as_ref().map(|marker| marker.database.as_str()),
        snapshots.extension(),
    )?;

    let _hold = core.files.hold();
    let name = format!("{}.{}", Uuid::new_v4(), snapshots.extension());
    let database = directory.join(&name);
    create_private(&database).tried("create the database of the backup")?;
    let go_on = || report.check_heard().is_ok();
    if !snapshots.copy(&database, &go_on)? {
        return Err(StoreError::Unheard.into());
    }

    // Synced once, at the end.
    let copy = snapshots.open(&database)?;
    in_transaction(copy.as_ref(), |copy| {
        // Ids of a random form cannot begin an upload, so recording them as ended does no harm.
        copy.execute(
            "INSERT INTO ended_uploads (id) SELECT id FROM uploads WHERE true ON CONFLICT (id) DO NOTHING",
            &[],
        )?;
        copy.execute("DELETE FROM uploads", &[])?;
        copy.execute(
            "UPDATE repository_counters SET uploads = 0 WHERE uploads <> 0",
            &[],
        )
        .map(drop)
    })?;
    let copying = Copying {
        core,
        place: &place,
        copy: copy.as_ref(),
        report,
    };
    let mut backed_up = copying.copy_blobs()?;
    place.sync_blobs()?;
    let named = copying.check_sizes(&mut backed_up)?;
    copy.maintain(Moment::Closing)?;
    drop(copy);

    File::open(&database)
        .and_then(|file| file.sync_all())
        .tried("sync the database of the backup")?;
    let database_bytes = fs::metadata(&database)
        .tried("look at the database of the backup")?
        .len();
    Marker::new(name.clone(), database_bytes, (backed_up.blobs, backed_up.bytes)).write(directory)?;

    place.remove_databases_but(Some(&name), snapshots.extension())?;
    place.remove_blobs_but(&named)?;
    Ok(backed_up)
}

struct Copying<'a> {
    core: &'a Core,
    place: &'a BackupPlace,
    copy: &'a dyn Connection,
    report: &'a Report,
}

impl Copying<'_> {
    fn copy_blobs(&self) -> Result<BackedUp, BackupError> {
        let mut backed_up = BackedUp::default();
        each_blob(self.copy, |blob, name| {
            self.report.check_heard()?;
            if blob.damaged {
                return self.leave_out(blob, "it was found damaged before", &mut backed_up);
            }
            let (from, to) = (self.core.files.path(name), self.place.blob(name));
            if is_copied(&from, &to, blob.size) {
                return Ok(());
            }
            self.place.make_prefix(&to)?;
            match copy_blob(blob, &from, &to) {
                Ok(_) => {
                    backed_up.copied += 1;
                    backed_up.copied_bytes += blob.size;
                    Ok(())
                }
                Err(NotCopied::Source(what)) => self.leave_out(blob, &what, &mut backed_up),
                Err(NotCopied::Target(error)) => Err(error).tried("write a blob of the backup")?,
            }
        })?;
        Ok(backed_up)
    }

    fn leave_out(&self, blob: &Blob, why: &str, backed_up: &mut BackedUp) -> Result<(), BackupError> {
        backed_up.damaged += 1;
        self.report
            .say_blocking(format!("blob {} is not in the backup: {why}", blob.digest))?;
        if !blob.damaged {
            in_transaction(self.copy, |copy| {
                copy.execute("UPDATE blobs SET damaged = 1 WHERE id = ?1", &[blob.id.into()])
                    .map(drop)
            })?;
        }
        Ok(())
    }

    /// Returns the files that the rows of the copy name. Each must be present and have the size in its row.
    fn check_sizes(&self, backed_up: &mut BackedUp) -> Result<HashSet<FileName>, BackupError> {
        let mut named = HashSet::new();
        each_blob(self.copy, |blob, name| {
            if blob.damaged {
                return Ok(());
            }
            let found = fs::symlink_metadata(self.place.blob(name)).map(|metadata| metadata.len());
            if found.ok() != Some(blob.size) {
                let what = format!("the file of blob {} has changed meanwhile", blob.digest);
                return Err(BackupError::Changed(what));
            }
            backed_up.blobs += 1;
            backed_up.bytes += blob.size;
            named.insert(name);
            Ok(())
        })?;
        Ok(named)
    }
}

/// Visits every blob that is stored in a file, a page at a time, so that the visitor may change rows.
pub(super) fn each_blob(
    database: &dyn Connection,
    mut visit: impl FnMut(&Blob, FileName) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut last = i64::MIN;
    loop {
        let page = blobs::list_after(&Snapshot::new(database), last, BLOBS_AT_ONCE)?;
        let Some(end) = page.last() else {
            return Ok(());
        };
        last = end.id;
        for blob in &page {
            if let Place::File { name, .. } = blob.place {
                visit(blob, name)?;
            }
        }
    }
}

pub(super) fn in_transaction(
    database: &dyn Connection,
    work: impl FnOnce(&dyn Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    database.begin()?;
    work(database)?;
    database.commit()
}

/// A file is written once, so two files of the same name, size and modification time have the same bytes.
fn is_copied(from: &Path, to: &Path, size: u64) -> bool {
    let (Ok(from), Ok(to)) = (fs::symlink_metadata(from), fs::symlink_metadata(to)) else {
        return false;
    };
    let ages = (from.modified(), to.modified());
    to.is_file()
        && to.len() == size
        && from.len() == size
        && matches!(ages, (Ok(one), Ok(other)) if one == other)
}
