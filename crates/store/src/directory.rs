//! The data directory: private, and owned by one process at a time.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use crate::composition::{DATABASE_FILES, database_path};
use crate::io::{Io, create_private, is_no_file, open_private};
use crate::{StoreError, Tried};

pub(crate) const LOCK: &str = "lock";
const BLOBS: &str = "blobs";
/// The name of the mark that a directory holds until a restore into it has ended.
pub(crate) const HALF_RESTORED: &str = "half-restored";

pub(crate) struct Directory {
    path: PathBuf,
    opened_at: SystemTime,
    /// The lock is released with the last handle to this file, however the process ends.
    _lock: File,
}

impl Directory {
    /// Creates what is missing, and takes the lock.
    pub(crate) fn open(path: &Path, io: &dyn Io) -> Result<Directory, StoreError> {
        create(path, io)?;
        refuse_unless_ours(path)?;

        let lock = lock(path)?;
        if path.join(HALF_RESTORED).exists() {
            return Err(StoreError::HalfRestored);
        }

        let opened_at = touch(&lock).tried("write the lock file")?;
        refuse_links(path)?;
        let directory = Directory {
            path: path.to_owned(),
            opened_at,
            _lock: lock,
        };
        directory.make_database(io)?;
        Ok(directory)
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.path.join(BLOBS)
    }

    /// When this process opened the directory, by the clock of the file system. No file that the process
    /// creates is older.
    pub(crate) fn opened_at(&self) -> SystemTime {
        self.opened_at
    }

    /// The database gives files that it makes the mode of the first, which is created here with a private mode.
    fn make_database(&self, io: &dyn Io) -> Result<(), StoreError> {
        let database = database_path(&self.path);
        if database.exists() {
            return Ok(());
        }
        if self.is_laid_out() {
            return Err(StoreError::damaged("it is missing, though blobs were kept"));
        }
        create_private(&database).tried("create the database file")?;
        io.sync_directory(&self.path).tried("sync the data directory")
    }

    /// Whether a database with its tables has existed here: the blob directory is created after the tables.
    pub(crate) fn is_laid_out(&self) -> bool {
        self.blobs().is_dir()
    }

    pub(crate) fn lay_out(&self, io: &dyn Io) -> Result<(), StoreError> {
        if self.is_laid_out() {
            return Ok(());
        }
        io.create_directory(&self.blobs())
            .tried("create the blob directory")?;
        io.sync_directory(&self.path).tried("sync the data directory")
    }
}

/// Takes the lock, which is released with the last handle to its file.
pub(crate) fn lock(directory: &Path) -> Result<File, StoreError> {
    let lock = match open_private(&directory.join(LOCK)) {
        Err(error) if is_no_file(&error) => return Err(StoreError::Irregular { name: LOCK }),
        other => other.tried("open the lock file")?,
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse),
        Err(error) => Err(io::Error::from(error)).tried("lock the data directory"),
    }
}

pub(crate) fn create(path: &Path, io: &dyn Io) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .tried("create the data directory")?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => io
            .sync_directory(parent)
            .tried("sync the parent of the data directory"),
        None => Ok(()),
    }
}

/// A user who may write to the directory can replace every file in it, whatever the modes of the files.
pub(crate) fn refuse_unless_ours(path: &Path) -> Result<(), StoreError> {
    let metadata = std::fs::metadata(path).tried("look at the data directory")?;
    let (uid, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if uid != geteuid().as_raw() {
        return Err(StoreError::ForeignDirectory { uid });
    }
    if mode & 0o022 != 0 {
        return Err(StoreError::SharedDirectory { mode });
    }
    if mode & 0o077 != 0 {
        tracing::warn!(
            mode = format!("{:o}", mode & 0o777),
            "others may enter the data directory"
        );
    }
    Ok(())
}

/// Refuses links: the database opens its files by name, and blob files are opened below one directory.
fn refuse_links(path: &Path) -> Result<(), StoreError> {
    let kind_of = |name: &str| match std::fs::symlink_metadata(path.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => Ok(Some(found.tried("look at the data directory")?.file_type())),
    };
    for name in DATABASE_FILES {
        if kind_of(name)?.is_some_and(|kind| !kind.is_file()) {
            return Err(StoreError::Irregular { name });
        }
    }
    if kind_of(BLOBS)?.is_some_and(|kind| !kind.is_dir()) {
        return Err(StoreError::Irregular { name: BLOBS });
    }
    Ok(())
}

fn touch(file: &File) -> io::Result<SystemTime> {
    file.write_all_at(b"ecru\n", 0)?;
    file.metadata()?.modified()
}
