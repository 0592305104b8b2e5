//! The calls of the file system that durability depends on. Tests can make each of them fail.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Whether acknowledged data must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushing {
    Always,
    Never,
}

/// The operations that the store needs from the file system.
pub trait Io: Send + Sync + 'static {
    /// Creates a file that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<File>;

    fn open(&self, path: &Path) -> io::Result<File>;

    /// Opens an unfinished file to continue writing it.
    fn open_to_write(&self, path: &Path) -> io::Result<File>;

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;

    fn sync(&self, file: &File) -> io::Result<()>;

    fn create_directory(&self, path: &Path) -> io::Result<()>;

    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    fn unlink(&self, path: &Path) -> io::Result<()>;
}

/// Opens a regular file for reading. Does not follow a link, and does not wait for a pipe or a device.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

/// Opens a private file for reading and writing, and creates it if it is missing.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    regular(&mut options, path)
}

/// Creates a private file that must not exist yet.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Creates a private file and replaces an existing file of that name. A link is replaced, not followed.
pub(crate) fn replace_private(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => create_private(path),
    }
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        Ok(file)
    } else if kind.is_dir() {
        Err(Errno::ISDIR.into())
    } else {
        Err(Errno::NXIO.into())
    }
}

/// Whether the error means that the path is not a regular file.
pub(crate) fn is_no_file(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        code,
        Some(Errno::ISDIR | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::SPIPE)
    )
}

/// The real file system.
pub struct Disk {
    flushing: Flushing,
}

impl Disk {
    pub fn new(flushing: Flushing) -> Disk {
        Disk { flushing }
    }
}

impl Io for Disk {
    fn create(&self, path: &Path) -> io::Result<File> {
        create_private(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        open_regular(path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<File> {
        regular(OpenOptions::new().read(true).write(true), path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        match self.flushing {
            Flushing::Always => file.sync_data(),
            Flushing::Never => Ok(()),
        }
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match self.flushing {
            Flushing::Always => File::open(path)?.sync_all(),
            Flushing::Never => Ok(()),
        }
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}
