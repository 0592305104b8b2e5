//! Fetched advisories: a database for each archive, which a newer one replaces in one step.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::documents::{for_each_in_archive, has_extension};
use super::import::{ImportError, Imported, count_change, ensure_source, take};
use super::{Advisories, SCHEMA_VERSION, prepare, private_file};
use crate::osv::Document;
use crate::{Ecosystem, ScanError};

const DIRECTORY: &str = "advisories";
const LOCK: &str = "lock";
/// 4 GiB in pages of 4 KiB.
const PAGES_MAX: i64 = 1 << 20;
const VERSION_BYTES_MAX: u64 = 256;

/// The right to replace sets. One process at a time holds it.
pub struct SetUpdate {
    data: PathBuf,
    directory: PathBuf,
    _lock: File,
}

/// An archive that is being fetched, or whose fetch was interrupted.
pub struct Part {
    pub file: File,
    /// The number of bytes received.
    pub length: u64,
    /// The version of the whole archive.
    pub version: Option<String>,
    path: PathBuf,
    version_path: PathBuf,
}

impl SetUpdate {
    /// Returns `None` while another process replaces sets.
    pub fn begin(data: &Path) -> io::Result<Option<Self>> {
        let directory = data.join(DIRECTORY);
        private_file::ensure_directory(&directory)?;
        let lock = private_file::open(&directory.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        remove_leftovers(&directory)?;
        Ok(Some(Self {
            data: data.to_owned(),
            directory,
            _lock: lock,
        }))
    }

    /// The version of the installed archive, as its server named it.
    pub fn version(&self, archive: &Ecosystem) -> Option<String> {
        let set = open_set(&self.path(archive, "db")).ok()??;
        set.query_row("SELECT name FROM sources", [], |row| row.get::<_, String>(0))
            .ok()
            .filter(|version| !version.is_empty())
    }

    pub fn part(&self, archive: &Ecosystem) -> io::Result<Part> {
        let (path, version_path) = (self.path(archive, "zip.part"), self.path(archive, "zip.version"));
        let mut version = String::new();
        private_file::open(&version_path)?
            .take(VERSION_BYTES_MAX)
            .read_to_string(&mut version)?;
        let file = private_file::open(&path)?;
        let mut part = Part {
            length: file.metadata()?.len(),
            version: Some(version).filter(|version| !version.is_empty()),
            file,
            path,
            version_path,
        };
        if part.version.is_none() {
            part.restart(None)?;
        }
        Ok(part)
    }

    /// Checks a whole archive, and replaces the installed set with it. If the archive is invalid, the old set
    /// stays and the archive is removed.
    pub fn install(&self, archive: &Ecosystem, part: Part, stop: &AtomicBool) -> Result<usize, ImportError> {
        let fresh = self.path(archive, "db.new");
        let built = self.build(&fresh, archive, &part, stop);
        if !matches!(built, Err(ImportError::Stopped)) {
            part.remove();
        }
        let replaced = built.and_then(|advisories| {
            fs::rename(&fresh, self.path(archive, "db")).map_err(ImportError::Write)?;
            let directory = File::open(&self.directory).and_then(|directory| directory.sync_all());
            directory.map_err(ImportError::Write)?;
            // Open scanners notice the new set by its file. Watchers of the revision notice it by the number.
            let advisories_of_data = Advisories::open(&self.data, None).map_err(ImportError::Open)?;
            count_change(&advisories_of_data.connection())?;
            Ok(advisories)
        });
        if replaced.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        replaced
    }

    fn build(
        &self,
        fresh: &Path,
        archive: &Ecosystem,
        part: &Part,
        stop: &AtomicBool,
    ) -> Result<usize, ImportError> {
        remove_if_there(fresh).map_err(ImportError::Write)?;
        let connection = private_file::open_database(fresh).map_err(ImportError::Write)?;
        // No process uses the file before it is whole and on disk, so it needs no journal.
        connection.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY;",
        )?;
        connection.pragma_update(None, "max_page_count", PAGES_MAX)?;
        prepare(&connection)?;
        let name = self.path(archive, "zip");
        let version = part.version.as_deref().unwrap_or_default();
        let source = ensure_source(&connection, version, 0, 0)?;
        let mut imported = Imported::default();
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for_each_in_archive(&name, &part.file, &mut |document| {
            if stop.load(Ordering::Relaxed) {
                return Err(ImportError::Stopped);
            }
            let document = document.map(|document| own_part(document, archive));
            take(&connection, source, &name, document, &mut imported)?;
            imported
                .first_refusal
                .take()
                .map_or(Ok(()), |refusal| Err(ImportError::NoAdvisory(refusal)))
        })?;
        connection.execute_batch("COMMIT")?;
        if !connection.prepare("SELECT 1 FROM affected LIMIT 1")?.exists([])? {
            return Err(ImportError::Empty(name));
        }
        drop(connection);
        let written = private_file::open_existing(fresh).and_then(|file| file.sync_all());
        written.map_err(ImportError::Write)?;
        Ok(imported.advisories)
    }

    fn path(&self, archive: &Ecosystem, extension: &str) -> PathBuf {
        self.directory
            .join(format!("{}.{extension}", archive.file_stem()))
    }
}

/// An advisory also names packages of other ecosystems. They are dropped: an ecosystem with a few of its
/// advisories would look complete.
fn own_part(mut document: Document, archive: &Ecosystem) -> Document {
    document.affected.retain_mut(|affected| {
        let Some(package) = &mut affected.package else {
            return false;
        };
        if archive.is_release_of(&package.ecosystem) {
            archive.as_str().clone_into(&mut package.ecosystem);
        }
        archive.includes(&package.ecosystem)
    });
    document
}

impl Part {
    /// Starts again with an empty file.
    pub fn restart(&mut self, version: Option<&str>) -> io::Result<()> {
        self.file.set_len(0)?;
        self.length = 0;
        let mut file = private_file::open(&self.version_path)?;
        file.set_len(0)?;
        file.write_all(version.unwrap_or_default().as_bytes())?;
        self.version = version.map(str::to_owned);
        Ok(())
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    pub fn remove(self) {
        self.remove_files();
    }

    /// Files that cannot be removed are restarted or replaced next time.
    fn remove_files(&self) {
        for path in [&self.path, &self.version_path] {
            let _ = fs::remove_file(path);
        }
    }
}

/// A part that is empty or has an unknown version cannot be continued.
impl Drop for Part {
    fn drop(&mut self) {
        if self.length == 0 || self.version.is_none() {
            self.remove_files();
        }
    }
}

/// Removes the leftovers of interrupted updates: sets that were not finished, and parts that cannot be
/// continued.
fn remove_leftovers(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let path = entry.path();
        let is_leftover = if has_extension(&path, "new") {
            true
        } else if has_extension(&path, "part") || has_extension(&path, "version") {
            is_empty(&path.with_extension("part"))? || is_empty(&path.with_extension("version"))?
        } else {
            false
        };
        if is_leftover {
            // A file that stays is replaced by the next one of its name.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Whether a file is empty or missing.
fn is_empty(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_file() && metadata.len() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns `None` for a set that another version of this program made.
fn open_set(path: &Path) -> Result<Option<Connection>, ScanError> {
    let connection = private_file::open_finished_database(path).map_err(ScanError::Sets)?;
    connection.execute_batch("PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY;")?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((version == SCHEMA_VERSION).then_some(connection))
}

/// The open sets.
#[derive(Default)]
pub(super) struct Sets(Vec<OpenSet>);

struct OpenSet {
    identity: Identity,
    /// `None` for a set of another version.
    connection: Option<Connection>,
}

/// Distinguishes a file from the one that replaced it.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
    modified_at: (i64, i64),
    size: u64,
}

impl Sets {
    /// Opens new sets, and closes replaced ones.
    pub(super) fn refresh(&mut self, data: &Path) -> Result<(), ScanError> {
        let found = find(&data.join(DIRECTORY)).map_err(ScanError::Sets)?;
        self.0.retain(|set| found.contains(&set.identity));
        for identity in found {
            if self.0.iter().any(|set| set.identity == identity) {
                continue;
            }
            let connection = open_set(&identity.path)?;
            if connection.is_none() {
                let path = identity.path.display();
                tracing::warn!(%path, "advisories of another version are not used: `ecru advisories update` fetches them again");
            }
            self.0.push(OpenSet { identity, connection });
        }
        Ok(())
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.0.iter().filter_map(|set| set.connection.as_ref())
    }
}

fn find(directory: &Path) -> io::Result<Vec<Identity>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let (path, metadata) = match entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) {
            Ok(entry) => entry,
            // The file was replaced by a rename in the meantime.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_file() && has_extension(&path, "db") {
            found.push(Identity {
                path,
                device: metadata.dev(),
                inode: metadata.ino(),
                modified_at: (metadata.mtime(), metadata.mtime_nsec()),
                size: metadata.len(),
            });
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

#[cfg(test)]
mod tests;
