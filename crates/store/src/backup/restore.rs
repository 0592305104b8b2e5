//! Restoring a backup into an empty data directory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::backend::{Connection, Moment};
use crate::backup::copy::{NotCopied, copy_blob};
use crate::backup::make::{each_blob, in_transaction};
use crate::backup::marker::Marker;
use crate::backup::place::{BackupPlace, is_without_links};
use crate::backup::{BackupError, Restored};
use crate::composition::{self, DATABASE, database_path};
use crate::directory::{self, HALF_RESTORED};
use crate::files::Identity;
use crate::io::{Disk, Flushing, Io, create_private, open_private, open_regular};
use crate::migrations::migrate;
use crate::tables::blobs::Blob;
use crate::{Report, StoreError, Tried};

/// Every blob is hashed while it is copied, so the restored blobs can be served at once. Blocks.
pub fn restore(backup: &Path, directory: &Path, report: &Report) -> Result<Restored, BackupError> {
    if !backup.is_dir() {
        return Err(BackupError::NoBackup);
    }
    let place = BackupPlace::open_to_read(backup)?;
    let backend = composition::database(directory, Flushing::Never);
    let snapshots = backend.snapshots().ok_or(BackupError::NoSnapshots)?;
    let marker = Marker::find(backup, snapshots.extension())?.ok_or(if place.is_begun() {
        BackupError::Unfinished
    } else {
        BackupError::NoBackup
    })?;

    let disk = Disk::new(Flushing::Always);
    directory::create(directory, &disk)?;
    directory::refuse_unless_ours(directory)?;
    refuse_unless_empty(directory)?;
    let _lock = directory::lock(directory)?;
    // Checked again under the lock.
    refuse_unless_empty(directory)?;
    begin(directory, &disk)?;
    refuse_unless_it_fits(&marker, directory)?;

    let database = database_path(directory);
    copy_database(&backup.join(&marker.database), &database, marker.database_bytes)?;
    // Synced once, at the end.
    if !snapshots.holds_only_tables(&database)? {
        return Err(BackupError::Changed(
            "its database holds more than tables".to_owned(),
        ));
    }
    let rows = snapshots.open(&database)?;
    migrate(rows.as_ref(), false, &[])?;
    refuse_more_than(&marker, rows.as_ref())?;
    let restoring = Restoring {
        place: &place,
        blobs: &directory.join("blobs"),
        rows: rows.as_ref(),
        disk: &disk,
        report,
    };
    let restored = restoring.copy_blobs()?;
    if (restored.blobs + restored.damaged) < marker.blobs {
        return Err(BackupError::Changed("its database names fewer blobs".to_owned()));
    }
    rows.maintain(Moment::Closing)?;
    drop(rows);

    let end = || {
        File::open(&database)?.sync_all()?;
        disk.sync_directory(directory)?;
        fs::remove_file(directory.join(HALF_RESTORED))?;
        disk.sync_directory(directory)
    };
    end().tried("end the restore")?;
    Ok(restored)
}

struct Restoring<'a> {
    place: &'a BackupPlace,
    blobs: &'a Path,
    rows: &'a dyn Connection,
    disk: &'a Disk,
    report: &'a Report,
}

impl Restoring<'_> {
    fn copy_blobs(&self) -> Result<Restored, BackupError> {
        let mut restored = Restored::default();
        each_blob(self.rows, |blob, name| {
            self.report.check_heard()?;
            if blob.damaged {
                return self.leave_out(blob, "it was damaged before the backup", &mut restored);
            }
            let to = self.blobs.join(name.to_string());
            if let Some(prefix) = to.parent() {
                self.make_prefix(prefix)?;
            }
            let from = self.place.blob(name);
            if !is_without_links(&from) {
                return self.leave_out(blob, "its directory is missing or a link", &mut restored);
            }
            match copy_blob(blob, &from, &to) {
                Ok(file) => {
                    restored.blobs += 1;
                    restored.bytes += blob.size;
                    self.record_identity(blob, &file)
                }
                Err(NotCopied::Source(what)) => self.leave_out(blob, &what, &mut restored),
                Err(NotCopied::Target(error)) => Err(error).tried("write a blob")?,
            }
        })?;
        self.sync().tried("sync the blobs")?;
        Ok(restored)
    }

    fn record_identity(&self, blob: &Blob, file: &File) -> Result<(), BackupError> {
        let identity = Identity::of(file).tried("look at a blob")?;
        Ok(in_transaction(self.rows, |rows| {
            rows.execute(
                "UPDATE blobs SET identity = ?2 WHERE id = ?1",
                &[blob.id.into(), identity.as_bytes().into()],
            )
            .map(drop)
        })?)
    }

    fn leave_out(&self, blob: &Blob, why: &str, restored: &mut Restored) -> Result<(), BackupError> {
        restored.damaged += 1;
        self.report
            .say_blocking(format!("blob {} cannot be restored: {why}", blob.digest))?;
        Ok(in_transaction(self.rows, |rows| {
            rows.execute("UPDATE blobs SET damaged = 1 WHERE id = ?1", &[blob.id.into()])
                .map(drop)
        })?)
    }

    fn make_prefix(&self, prefix: &Path) -> Result<(), StoreError> {
        match self.disk.create_directory(prefix) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.tried("create a directory of blobs"),
        }
    }

    fn sync(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.blobs)? {
            self.disk.sync_directory(&entry?.path())?;
        }
        self.disk.sync_directory(self.blobs)
    }
}

/// An interrupted restore leaves a mark in the directory, and may be started again there.
fn refuse_unless_empty(directory: &Path) -> Result<(), BackupError> {
    if directory.join(HALF_RESTORED).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(directory).tried("read the data directory")? {
        if entry.tried("read the data directory")?.file_name() != directory::LOCK {
            return Err(BackupError::NotEmpty);
        }
    }
    Ok(())
}

fn begin(directory: &Path, disk: &Disk) -> Result<(), StoreError> {
    let begin = || {
        open_private(&directory.join(HALF_RESTORED))?;
        disk.sync_directory(directory)?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(DATABASE) {
                fs::remove_file(entry.path())?;
            } else if name == "blobs" {
                fs::remove_dir_all(entry.path())?;
            }
        }
        disk.create_directory(&directory.join("blobs"))?;
        disk.sync_directory(directory)
    };
    begin().tried("prepare the data directory")
}

/// Refuses a backup that declares more bytes than the disk has room for. The real sizes are checked later.
fn refuse_unless_it_fits(marker: &Marker, directory: &Path) -> Result<(), BackupError> {
    let found = rustix::fs::statvfs(directory).map_err(io::Error::from);
    let found = found.tried("look at the disk of the data directory")?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let needed = marker.database_bytes.saturating_add(marker.blob_bytes);
    if needed <= free {
        return Ok(());
    }
    Err(BackupError::NoRoom { needed, free })
}

/// The database must name at most as many bytes as the marker declares, because only those were checked to
/// fit.
fn refuse_more_than(marker: &Marker, rows: &dyn Connection) -> Result<(), BackupError> {
    let (mut blobs, mut bytes) = (0_u64, 0_u64);
    each_blob(rows, |blob, _| {
        if !blob.damaged {
            blobs += 1;
            bytes = bytes.saturating_add(blob.size);
        }
        Ok(())
    })?;
    if blobs > marker.blobs || bytes > marker.blob_bytes {
        return Err(BackupError::Changed("its database names more blobs".to_owned()));
    }
    Ok(())
}

fn copy_database(from: &Path, to: &Path, size: u64) -> Result<(), BackupError> {
    let changed = |what: &str| BackupError::Changed(what.to_owned());
    let source = open_regular(from).map_err(|_| changed("its database is missing or not a file"))?;
    if source.metadata().tried("look at the database")?.len() != size {
        return Err(changed("its database has another size"));
    }
    let mut target = create_private(to).tried("create the database")?;
    let copied = io::copy(&mut source.take(size), &mut target).tried("copy the database")?;
    if copied != size {
        return Err(changed("its database has another size"));
    }
    Ok(())
}
