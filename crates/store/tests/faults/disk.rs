//! A disk whose n-th call fails, and that records what a power cut would leave.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ecru_store::backend::{Access, Backend, Connection, Moment, Snapshots, Upkeep, Visit};
use ecru_store::{Disk, Flushing, Io, StoreError, Value};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call has no effect, or half of it.
    Undone,
    /// The call takes effect, but reports a failure.
    Unsaid,
    /// Like `Undone`, and every later call fails too.
    Gone,
}

/// Counts calls down to the failing one.
pub(crate) struct Faults {
    left: AtomicI64,
    fault: Fault,
    struck: AtomicU64,
    frozen: AtomicBool,
}

impl Faults {
    pub(crate) fn new(fault: Fault) -> Arc<Faults> {
        Arc::new(Faults {
            left: AtomicI64::new(i64::MAX),
            fault,
            struck: AtomicU64::new(0),
            frozen: AtomicBool::new(false),
        })
    }

    /// A database that has failed stays in that state until it is healed.
    pub(crate) fn fail_at(&self, call: i64) {
        self.frozen.store(true, Ordering::SeqCst);
        self.left.store(call, Ordering::SeqCst);
    }

    pub(crate) fn heal(&self) {
        self.frozen.store(false, Ordering::SeqCst);
        self.left.store(i64::MAX, Ordering::SeqCst);
    }

    pub(crate) fn have_struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst) > 0
    }

    fn strikes(&self) -> bool {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        let strikes = left == 1 || (left < 1 && self.fault == Fault::Gone);
        self.struck.fetch_add(u64::from(strikes), Ordering::SeqCst);
        strikes
    }

    fn call<T, E>(&self, failure: impl FnOnce() -> E, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if !self.strikes() {
            return work();
        }
        if self.fault == Fault::Unsaid {
            work()?;
        }
        Err(failure())
    }
}

fn broken() -> io::Error {
    io::Error::other("the disk is broken")
}

pub(crate) struct FailingDisk {
    faults: Arc<Faults>,
    disk: Disk,
    stable: Mutex<Stable>,
}

/// The files and directories that are on stable storage.
#[derive(Default)]
struct Stable {
    sizes: HashMap<u64, u64>,
    names: HashMap<PathBuf, bool>,
}

impl FailingDisk {
    pub(crate) fn new(faults: Arc<Faults>) -> FailingDisk {
        FailingDisk {
            faults,
            disk: Disk::new(Flushing::Never),
            stable: Mutex::default(),
        }
    }

    /// Copies the files that a process started after a power cut would find.
    pub(crate) fn copy_after_power_cut(&self, from: &Path, to: &Path) {
        let stable = self.stable.lock().unwrap();
        copy(from, to, &|path| {
            if stable.names.get(path) == Some(&false) {
                return Ok(None);
            }
            let metadata = fs::metadata(path)?;
            let synced = stable.sizes.get(&metadata.ino()).copied();
            Ok(Some(
                synced.map_or(metadata.len(), |size| size.min(metadata.len())),
            ))
        });
    }
}

/// Copies a directory. `left` returns how much is left of each file or directory, or `None` if nothing is. A
/// file that is being removed meanwhile may or may not be copied.
pub(crate) fn copy(from: &Path, to: &Path, left: &dyn Fn(&Path) -> io::Result<Option<u64>>) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        match left(&path) {
            Ok(Some(_)) if path.is_dir() => copy(&path, &copied, left),
            Ok(Some(size)) => match fs::copy(&path, &copied) {
                Ok(_) => File::options()
                    .write(true)
                    .open(&copied)
                    .unwrap()
                    .set_len(size)
                    .unwrap(),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            },
            Ok(None) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        }
    }
}

impl Io for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.faults.call(broken, || {
            let file = self.disk.create(path)?;
            let mut stable = self.stable.lock().unwrap();
            stable.sizes.insert(file.metadata()?.ino(), 0);
            stable.names.insert(path.to_owned(), false);
            Ok(file)
        })
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.faults.call(broken, || self.disk.open(path))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<File> {
        self.faults.call(broken, || self.disk.open_to_write(path))
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.faults.strikes() {
            self.disk.write_at(file, &bytes[..bytes.len() / 2], offset)?;
            return Err(broken());
        }
        self.disk.write_at(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.faults.call(broken, || {
            self.disk.sync(file)?;
            let metadata = file.metadata()?;
            self.stable
                .lock()
                .unwrap()
                .sizes
                .insert(metadata.ino(), metadata.len());
            Ok(())
        })
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.faults.call(broken, || {
            self.disk.create_directory(path)?;
            self.stable.lock().unwrap().names.insert(path.to_owned(), false);
            Ok(())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.faults.call(broken, || {
            self.disk.sync_directory(path)?;
            let mut stable = self.stable.lock().unwrap();
            for (name, named) in &mut stable.names {
                *named |= name.parent() == Some(path);
            }
            Ok(())
        })
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.faults.call(broken, || self.disk.unlink(path))
    }
}

/// A database whose commits and changes fail. The database's own calls of the file system do not fail.
pub(crate) struct FailingBackend {
    pub(crate) faults: Arc<Faults>,
    pub(crate) backend: Arc<dyn Backend>,
}

impl Backend for FailingBackend {
    fn connect(&self, access: Access) -> Result<Box<dyn Connection>, StoreError> {
        let connection = self.backend.connect(access)?;
        Ok(match access {
            Access::Read => connection,
            Access::Write => Box::new(FailingConnection {
                faults: self.faults.clone(),
                connection,
            }),
        })
    }

    fn reconnect(&self) -> Result<Box<dyn Connection>, StoreError> {
        if self.faults.frozen.load(Ordering::SeqCst) {
            return Err(broken_database());
        }
        self.faults.call(broken_database, || {
            let connection = self.backend.reconnect()?;
            Ok(Box::new(FailingConnection {
                faults: self.faults.clone(),
                connection,
            }) as Box<dyn Connection>)
        })
    }

    fn examine(&self) -> Result<Vec<String>, StoreError> {
        self.backend.examine()
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        self.backend.snapshots()
    }
}

struct FailingConnection {
    faults: Arc<Faults>,
    connection: Box<dyn Connection>,
}

impl Connection for FailingConnection {
    fn begin(&self) -> Result<(), StoreError> {
        self.faults.call(broken_database, || self.connection.begin())
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.faults.call(broken_database, || self.connection.commit())
    }

    fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<u64, StoreError> {
        self.faults
            .call(broken_database, || self.connection.execute(sql, parameters))
    }

    fn query(&self, sql: &str, parameters: &[Value<'_>], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.faults
            .call(broken_database, || self.connection.query(sql, parameters, visit))
    }

    fn script(&self, sql: &str) -> Result<(), StoreError> {
        self.faults.call(broken_database, || self.connection.script(sql))
    }

    fn maintain(&self, moment: Moment) -> Result<Upkeep, StoreError> {
        self.connection.maintain(moment)
    }
}

fn broken_database() -> StoreError {
    StoreError::Statement(Box::new(broken()))
}
