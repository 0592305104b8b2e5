//! Restoring a backup into an empty data directory.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::backend::{Access, Backend, Connection, Moment};
use crate::backup::copy::{NotCopied, copy_blob};
use crate::backup::make::{each_blob, in_transaction};
use crate::backup::marker::Marker;
use crate::backup::place::BackupPlace;
use crate::backup::{BackupError, Restored};
use crate::directory::{self, HALF_RESTORED, database_path, open_private};
use crate::files::Identity;
use crate::io::{Disk, Flushing, Io};
use crate::migrations::migrate;
use crate::sqlite::SqliteFile;
use crate::tables::blobs::Blob;
use crate::{Report, StoreError, Tried};

/// Every blob is hashed on its way, so that the restored ones can be served at once. Blocks.
pub fn restore(backup: &Path, directory: &Path, report: &Report) -> Result<Restored, BackupError> {
    if !backup.is_dir() {
        return Err(BackupError::NoBackup);
    }
    let place = BackupPlace::open_to_read(backup)?;
    let marker = Marker::find(backup)?.ok_or(if place.is_begun() {
        BackupError::Unfinished
    } else {
        BackupError::NoBackup
    })?;

    let disk = Disk::new(Flushing::Always);
    directory::create(directory, &disk)?;
    refuse_unless_empty(directory)?;
    let _lock = directory::lock(directory)?;
    // Looked at again, now that it is ours.
    refuse_unless_empty(directory)?;
    begin(directory, &disk)?;

    let database = database_path(directory);
    copy_database(&backup.join(&marker.database), &database, marker.database_bytes)?;
    // Synced once, at the end.
    let rows = SqliteFile::new(database.clone(), Flushing::Never).connect(Access::Write)?;
    migrate(rows.as_ref(), false)?;
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
    rows.tidy(Moment::Closing)?;
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
            match copy_blob(blob, &self.place.blob(name), &to) {
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

/// A restore that was interrupted has left its mark, and may begin anew.
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
            if name.to_string_lossy().starts_with("ecru.sqlite") {
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

fn copy_database(from: &Path, to: &Path, size: u64) -> Result<(), BackupError> {
    let changed = |what: &str| BackupError::Changed(what.to_owned());
    let mut source = File::open(from).map_err(|_| changed("its database is missing"))?;
    let mut target = open_private(to).tried("create the database")?;
    let copied = io::copy(&mut source, &mut target).tried("copy the database")?;
    if copied != size {
        return Err(changed("its database has another size"));
    }
    Ok(())
}
