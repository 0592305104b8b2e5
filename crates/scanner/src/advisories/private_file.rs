//! Opens files of the data directory: regular files only, without following links, accessible to the owner
//! only.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::OFlags;

const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_DIRECTORY: u32 = 0o700;

/// Opens a file for reading and writing, and creates it if it is missing.
pub(super) fn open(path: &Path) -> io::Result<File> {
    checked(options().read(true).write(true).create(true).open(path)?)
}

/// Opens a file that must exist.
pub(super) fn open_existing(path: &Path) -> io::Result<File> {
    checked(options().read(true).write(true).open(path)?)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // Opening a pipe must not wait for its other end.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.mode(OWNER_ONLY).custom_flags(flags.bits().cast_signed());
    options
}

fn checked(file: File) -> io::Result<File> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    // Earlier versions created files that every user could read.
    if metadata.mode() & 0o777 != OWNER_ONLY {
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    }
    Ok(file)
}

/// Creates a directory if it is missing. A link to a directory is refused.
pub(super) fn ensure_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(OWNER_ONLY_DIRECTORY).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("it is not a directory"));
    }
    if metadata.mode() & 0o777 != OWNER_ONLY_DIRECTORY {
        fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY_DIRECTORY))?;
    }
    Ok(())
}

/// Opens a database, and checks the files that SQLite keeps beside it in the same way.
pub(super) fn open_database(path: &Path) -> io::Result<Connection> {
    drop(open(path)?);
    for suffix in ["-wal", "-shm"] {
        match open_existing(&with_suffix(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens a database that no process writes to any more.
pub(super) fn open_finished_database(path: &Path) -> io::Result<Connection> {
    drop(open_existing(path)?);
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn connect(path: &Path, access: OpenFlags) -> io::Result<Connection> {
    // SQLite refuses links anywhere in the path, but links above the data directory are the user's choice.
    let real = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => fs::canonicalize(parent)?.join(name),
        _ => path.to_owned(),
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Connection::open_with_flags(real, flags).map_err(io::Error::other)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn files_are_for_their_owner_alone_and_older_ones_become_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let connection = open_database(&path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
            .unwrap();
        for suffix in ["", "-wal", "-shm"] {
            assert_eq!(mode(&with_suffix(&path, suffix)), 0o600, "{suffix}");
            fs::set_permissions(with_suffix(&path, suffix), Permissions::from_mode(0o644)).unwrap();
        }
        drop(open_database(&path).unwrap());
        for suffix in ["", "-wal", "-shm"] {
            assert_eq!(mode(&with_suffix(&path, suffix)), 0o600, "{suffix}");
        }
    }

    #[test]
    fn links_and_pipes_are_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        let link = directory.path().join("link");
        symlink(&elsewhere, &link).unwrap();
        assert!(open(&link).is_err() && open_database(&link).is_err());
        let beside = directory.path().join("b.db-wal");
        symlink(&elsewhere, &beside).unwrap();
        assert!(open_database(&directory.path().join("b.db")).is_err());
        let sub = directory.path().join("sub");
        symlink(directory.path(), &sub).unwrap();
        assert!(ensure_directory(&sub).is_err());
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(open(&socket).is_err());
        assert_eq!(fs::read(&elsewhere).unwrap(), b"");
    }
}
