//! The store as a whole.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::backend::{Access, Backend};
use crate::directory::{Directory, database_path};
use crate::io::{Disk, Durability, Io};
use crate::migrations::migrate;
use crate::readers::Readers;
use crate::sqlite::SqliteFile;
use crate::writer::{Health, Writer};
use crate::{Snapshot, StoreError, Tx};

/// Where the data is, and what is promised of it.
#[derive(Clone, Debug)]
pub struct Options {
    pub directory: PathBuf,
    /// Nothing is flushed to disk: for a directory that goes with the process.
    pub ephemeral: bool,
}

/// What the store stands on. Tests put failing ones in between.
pub struct Foundation {
    pub io: Arc<dyn Io>,
    pub backend: Arc<dyn Backend>,
    /// How often a writer closed by a failed commit looks whether the disk works again.
    pub probe_interval: Duration,
}

impl Foundation {
    pub fn new(options: &Options) -> Foundation {
        let durability = if options.ephemeral {
            Durability::Ephemeral
        } else {
            Durability::Durable
        };
        Foundation {
            io: Arc::new(Disk::new(durability)),
            backend: Arc::new(SqliteFile::new(database_path(&options.directory), durability)),
            probe_interval: Duration::from_secs(1),
        }
    }
}

/// Durable rows and blobs, in a directory that one process owns. A clone is another handle to the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

// The fields are dropped in order: the lock goes last.
struct Inner {
    writer: Writer,
    readers: Arc<Readers>,
    directory: Mutex<Option<Directory>>,
}

impl Store {
    pub fn open(options: Options) -> Result<Store, StoreError> {
        Store::open_on(&options.directory, Foundation::new(&options))
    }

    pub fn open_on(directory: &Path, foundation: Foundation) -> Result<Store, StoreError> {
        let Foundation {
            io,
            backend,
            probe_interval,
        } = foundation;
        let directory = Directory::open(directory, io.as_ref())?;

        let connection = backend.connect(Access::Write)?;
        migrate(connection.as_ref())?;

        let writer = Writer::start(backend.clone(), connection, probe_interval)?;
        let readers = Readers::new(backend);
        Ok(Store(Arc::new(Inner {
            writer,
            readers,
            directory: Mutex::new(Some(directory)),
        })))
    }

    /// Does the work in a transaction shared with what else waits; durable when it answers `Ok`.
    ///
    /// The work may be run again, so it touches nothing but `tx`. It is rolled back when it fails or panics.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0.writer.write(work).await
    }

    /// Reads on the calling thread: at most about 1,000 rows.
    pub fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Snapshot<'_>) -> Result<T, E>,
        E: From<StoreError>,
    {
        self.0.readers.read(work)
    }

    /// Reads on the blocking pool, however many rows.
    pub async fn read_many<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Snapshot<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0.readers.read_many(work).await
    }

    pub fn health(&self) -> Health {
        self.0.writer.health()
    }

    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.0.writer.watch_health()
    }

    /// Takes no more writes, finishes those that wait, brings the log into the database and gives the lock back.
    pub async fn close(&self) {
        let inner = self.0.clone();
        let closing = tokio::task::spawn_blocking(move || {
            inner.writer.stop();
            inner
                .directory
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
        });
        if closing.await.is_err() {
            tracing::error!("closing the store panicked");
        }
    }
}
