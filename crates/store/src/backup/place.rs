//! The directory of a backup.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::backup::BackupError;
use crate::directory::create;
use crate::files::FileName;
use crate::io::{Disk, Flushing, Io, open_private, open_regular};
use crate::{StoreError, Tried};

/// Marks a directory as a backup of ours, although the backup may not be finished.
const LOCK: &str = "backup.lock";
const BLOBS: &str = "blobs";

/// A backup directory that no other process can work on while this value exists.
pub(super) struct BackupPlace {
    path: PathBuf,
    disk: Disk,
    lock: Option<File>,
}

impl BackupPlace {
    /// Opens the directory for writing, and creates it if it is missing.
    pub(super) fn open(path: &Path) -> Result<BackupPlace, BackupError> {
        let disk = Disk::new(Flushing::Always);
        create(path, &disk)?;
        let lock_path = path.join(LOCK);
        if !lock_path.exists() && !is_empty(path)? {
            return Err(BackupError::NotOurs);
        }
        let lock = open_private(&lock_path).tried("open the lock of the backup")?;
        take(&lock, FlockOperation::NonBlockingLockExclusive)?;
        match disk.create_directory(&path.join(BLOBS)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(error).tried("create the blob directory of the backup")?;
            }
            _ => disk.sync_directory(path).tried("sync the backup")?,
        }
        refuse_link(&path.join(BLOBS))?;
        Ok(BackupPlace {
            path: path.to_owned(),
            disk,
            lock: Some(lock),
        })
    }

    /// Opens the directory for reading. Several readers can share it, and it may be on read-only media.
    pub(super) fn open_to_read(path: &Path) -> Result<BackupPlace, BackupError> {
        let lock = match open_regular(&path.join(LOCK)) {
            Ok(lock) => {
                take(&lock, FlockOperation::NonBlockingLockShared)?;
                Some(lock)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Err(error).tried("open the lock of the backup")?,
        };
        Ok(BackupPlace {
            path: path.to_owned(),
            disk: Disk::new(Flushing::Never),
            lock,
        })
    }

    /// Whether a backup was begun here.
    pub(super) fn is_begun(&self) -> bool {
        self.lock.is_some()
    }

    pub(super) fn blob(&self, name: FileName) -> PathBuf {
        self.path.join(BLOBS).join(name.to_string())
    }

    /// Creates the directory for a blob file.
    pub(super) fn make_prefix(&self, blob: &Path) -> Result<(), StoreError> {
        let Some(prefix) = blob.parent() else {
            return Ok(());
        };
        match self.disk.create_directory(prefix) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_link(prefix),
            other => other.tried("create a directory of the backup"),
        }
    }

    pub(super) fn sync_blobs(&self) -> Result<(), StoreError> {
        self.for_each_prefix(|prefix| self.disk.sync_directory(prefix))
            .and_then(|()| self.disk.sync_directory(&self.path.join(BLOBS)))
            .tried("sync the backup")
    }

    /// Removes the databases that an unfinished or a replaced backup has left behind.
    pub(super) fn remove_databases_but(&self, name: Option<&str>, extension: &str) -> Result<(), StoreError> {
        // Files beside a database have longer names.
        let extension = format!(".{extension}");
        let remove = || {
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                let found = entry.file_name();
                let found = found.to_string_lossy();
                if found.contains(&extension) && name != Some(&*found) {
                    fs::remove_file(entry.path())?;
                }
            }
            io::Result::Ok(())
        };
        remove().tried("remove an old database of the backup")
    }

    /// Removes the blobs that an unfinished or a replaced backup has left behind.
    pub(super) fn remove_blobs_but(&self, named: &HashSet<FileName>) -> Result<(), StoreError> {
        self.for_each_prefix(|prefix| {
            for entry in fs::read_dir(prefix)? {
                let entry = entry?;
                let text = format!(
                    "{}/{}",
                    prefix.file_name().unwrap_or_default().display(),
                    entry.file_name().display()
                );
                if !FileName::parse(&text).is_some_and(|name| named.contains(&name)) {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        })
        .tried("remove an old blob of the backup")
    }

    fn for_each_prefix(&self, visit: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        for entry in fs::read_dir(self.path.join(BLOBS))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                visit(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Whether the directories above a blob file are directories, and not links.
pub(super) fn is_without_links(blob: &Path) -> bool {
    let mut above = blob.ancestors().skip(1).take(2);
    above.all(|directory| refuse_link(directory).is_ok())
}

fn refuse_link(directory: &Path) -> Result<(), StoreError> {
    let kind = fs::symlink_metadata(directory).tried("look at a directory of the backup")?;
    if kind.is_dir() {
        return Ok(());
    }
    Err(io::Error::from(rustix::io::Errno::NOTDIR)).tried("look at a directory of the backup")
}

pub(super) fn is_empty(directory: &Path) -> Result<bool, StoreError> {
    let mut entries = fs::read_dir(directory).tried("read the directory of the backup")?;
    Ok(entries.next().is_none())
}

fn take(lock: &File, how: FlockOperation) -> Result<(), BackupError> {
    match flock(lock, how) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(BackupError::Busy),
        Err(error) => Ok(Err(io::Error::from(error)).tried("lock the backup")?),
    }
}
