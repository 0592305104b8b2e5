//! Blob files: each has a unique name, is written once, and is never renamed or overwritten.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use uuid::Uuid;

use crate::{Io, StoreError};

/// Removals that a hold can postpone. A later process collects files beyond this number.
const PUT_OFF_COUNT_MAX: usize = 100_000;

/// The name of a blob file below the blob directory: `<ab>/<uuid>`, where `<ab>` are the first letters of the
/// UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileName(Uuid);

impl FileName {
    pub(crate) fn parse(text: &str) -> Option<FileName> {
        let (prefix, name) = text.split_once('/')?;
        let parsed = FileName(Uuid::try_parse(name).ok()?);
        (name.starts_with(prefix) && parsed.to_string() == text).then_some(parsed)
    }

    pub(crate) fn from_stored(text: &str) -> Result<FileName, StoreError> {
        FileName::parse(text).ok_or_else(|| StoreError::damaged("a row names an invalid file"))
    }

    fn prefix(self) -> u8 {
        let [first, ..] = self.0.into_bytes();
        first
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:02x}/{}", self.prefix(), self.0.hyphenated())
    }
}

/// The identity of a file as `fstat` reports it. While it stays the same, the bytes are the bytes that were
/// hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity(Vec<u8>);

impl Identity {
    pub(crate) fn of(file: &File) -> io::Result<Identity> {
        let metadata = file.metadata()?;
        let numbers = [
            metadata.size().cast_signed(),
            metadata.ino().cast_signed(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ];
        Ok(Identity(
            numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        ))
    }

    /// The size of the file, which is the first of the numbers.
    pub(crate) fn size(&self) -> Option<u64> {
        self.0.first_chunk().map(|size| u64::from_le_bytes(*size))
    }

    pub(crate) fn from_stored(bytes: &[u8]) -> Identity {
        Identity(bytes.to_vec())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The blob directory.
pub(crate) struct Files {
    root: PathBuf,
    io: Arc<dyn Io>,
    /// The directories below the root that this process has seen on stable storage.
    settled: [AtomicBool; 256],
    /// The directories below the root that this process has seen to be directories, and not links.
    looked_at: [AtomicBool; 256],
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    holders: usize,
    put_off: Vec<FileName>,
}

/// While a hold exists, no file is removed, so every file that a snapshot of the rows names stays readable.
pub(crate) struct Hold(Arc<Files>);

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.0.lock_held();
        held.holders -= 1;
        let due = if held.holders == 0 {
            std::mem::take(&mut held.put_off)
        } else {
            Vec::new()
        };
        drop(held);
        for name in due {
            self.0.unlink_quietly(name);
        }
    }
}

impl Files {
    pub(crate) fn new(root: PathBuf, io: Arc<dyn Io>) -> Files {
        Files {
            root,
            io,
            settled: [const { AtomicBool::new(false) }; 256],
            looked_at: [const { AtomicBool::new(false) }; 256],
            held: Mutex::default(),
        }
    }

    pub(crate) fn hold(self: &Arc<Files>) -> Hold {
        self.lock_held().holders += 1;
        Hold(self.clone())
    }

    pub(crate) fn io(&self) -> &dyn Io {
        self.io.as_ref()
    }

    /// Creates an empty file whose name is on stable storage.
    pub(crate) fn create(&self) -> io::Result<(FileName, File)> {
        let name = FileName(Uuid::new_v4());
        let directory = self.settle_directory(name.prefix())?;

        let file = self.io.create(&self.path(name))?;
        self.io
            .sync_directory(&directory)
            .inspect_err(|_| self.unlink_quietly(name))?;
        Ok((name, file))
    }

    pub(crate) fn open(&self, name: FileName) -> io::Result<File> {
        self.refuse_link(name.prefix())?;
        self.io.open(&self.path(name))
    }

    pub(crate) fn open_to_write(&self, name: FileName) -> io::Result<File> {
        self.refuse_link(name.prefix())?;
        self.io.open_to_write(&self.path(name))
    }

    /// Runs once for each process and directory, because no other user may write to the parent directory.
    fn refuse_link(&self, prefix: u8) -> io::Result<()> {
        let looked_at = self.looked_at.get(usize::from(prefix));
        if looked_at.is_some_and(|looked_at| looked_at.load(Ordering::Acquire)) {
            return Ok(());
        }
        if !std::fs::symlink_metadata(self.directory(prefix))?.is_dir() {
            return Err(rustix::io::Errno::NOTDIR.into());
        }
        if let Some(looked_at) = looked_at {
            looked_at.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn directory(&self, prefix: u8) -> PathBuf {
        self.root.join(format!("{prefix:02x}"))
    }

    /// Removes a file that no row names. If the removal fails, the collection finds the file later.
    pub(crate) fn unlink_quietly(&self, name: FileName) {
        if self.put_off(name) {
            return;
        }
        match self.io.unlink(&self.path(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(file = %name, error = &error as &dyn std::error::Error, "a file could not be removed");
            }
        }
    }

    /// A hold that begins after this check cannot rely on the file: no row names it any more.
    fn put_off(&self, name: FileName) -> bool {
        let mut held = self.lock_held();
        if held.holders == 0 {
            return false;
        }
        if held.put_off.len() < PUT_OFF_COUNT_MAX {
            held.put_off.push(name);
        }
        true
    }

    fn lock_held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlinking a large file takes long, so it must not run on a thread that other requests wait for.
    pub(crate) fn unlink_later(self: &Arc<Files>, name: FileName) {
        let files = self.clone();
        let thread = std::thread::Builder::new().name("store-unlink".to_owned());
        if let Err(error) = thread.spawn(move || files.unlink_quietly(name)) {
            tracing::warn!(file = %name, error = &error as &dyn std::error::Error, "a file was left behind");
        }
    }

    /// Lists the files with names of our form that were last written before a time, with their sizes.
    pub(crate) fn list_made_before(&self, time: SystemTime) -> io::Result<Vec<(FileName, u64)>> {
        let mut names = Vec::new();
        for directory in std::fs::read_dir(&self.root)? {
            let directory = directory?;
            if !directory.file_type()?.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(directory.path())? {
                let file = file?;
                let text = format!(
                    "{}/{}",
                    directory.file_name().display(),
                    file.file_name().display()
                );
                let Some(name) = FileName::parse(&text) else {
                    continue;
                };
                let metadata = match file.metadata() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => other?,
                };
                if metadata.modified()? < time {
                    names.push((name, metadata.len()));
                }
            }
        }
        Ok(names)
    }

    /// Another upload may have created the directory and not synced it yet, so each process syncs it once
    /// itself.
    fn settle_directory(&self, prefix: u8) -> io::Result<PathBuf> {
        let directory = self.directory(prefix);
        let settled = self.settled.get(usize::from(prefix));
        if settled.is_some_and(|settled| settled.load(Ordering::Acquire)) {
            return Ok(directory);
        }

        match self.io.create_directory(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => self.refuse_link(prefix)?,
        }
        self.io.sync_directory(&self.root)?;
        if let Some(settled) = settled {
            settled.store(true, Ordering::Release);
        }
        Ok(directory)
    }

    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.root.join(name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_making_are_taken() {
        let name = "0b/0b7d1c1e-58a6-4d2b-8f7e-2f6a3c1f9d10";
        assert_eq!(FileName::parse(name).unwrap().to_string(), name);

        let others = [
            "",
            "0b",
            "0b/",
            "/0b7d1c1e-58a6-4d2b-8f7e-2f6a3c1f9d10",
            "0c/0b7d1c1e-58a6-4d2b-8f7e-2f6a3c1f9d10",
            "0b/0B7D1C1E-58a6-4d2b-8f7e-2f6a3c1f9d10",
            "0b/0b7d1c1e58a64d2b8f7e2f6a3c1f9d10",
            "0b/../0b7d1c1e-58a6-4d2b-8f7e-2f6a3c1f9d10",
            "../0b7d1c1e-58a6-4d2b-8f7e-2f6a3c1f9d10",
        ];
        for other in others {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
