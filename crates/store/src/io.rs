//! The calls of the file system that durability rests on, so that a test can fail each of them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Whether what is acknowledged must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushing {
    Always,
    Never,
}

/// What the store asks of the file system.
pub trait Io: Send + Sync + 'static {
    /// A new file that was not there before.
    fn create(&self, path: &Path) -> io::Result<File>;

    fn open(&self, path: &Path) -> io::Result<File>;

    /// An unfinished file, to write on.
    fn open_to_write(&self, path: &Path) -> io::Result<File>;

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;

    fn sync(&self, file: &File) -> io::Result<()>;

    fn create_directory(&self, path: &Path) -> io::Result<()>;

    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    fn unlink(&self, path: &Path) -> io::Result<()>;
}

/// Whether what stands in the place of a file is something else.
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
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    /// What is there in the place of a file may be a pipe, which must not be waited for.
    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
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
