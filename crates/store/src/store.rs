//! The store as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::backend::{Access, Backend, Moment};
use crate::backup::{self, BackedUp, BackupError};
use crate::blobs::Blobs;
use crate::collect::{self, Removed};
use crate::composition;
use crate::core::Core;
use crate::directory::Directory;
use crate::files::Files;
use crate::io::{Disk, Flushing, Io};
use crate::keys;
use crate::migrations::{Migrations, Schema, migrate};
use crate::readers::Readers;
use crate::uploads::{IDLE_AGE_MILLISECONDS_MAX, IssuedUploads, Uploads};
use crate::verify::{self, Verified};
use crate::writer::{Health, Writer};
use crate::{Report, Settled, Snapshot, StoreError, Topic, Tx};

/// The location of the data, and its durability.
#[derive(Clone, Debug)]
pub struct Options {
    pub directory: PathBuf,
    /// Nothing is flushed to disk: for a directory that is removed with the process.
    pub ephemeral: bool,
}

/// The layers below the store. Tests insert failing ones.
pub struct Foundation {
    pub io: Arc<dyn Io>,
    pub backend: Arc<dyn Backend>,
    /// How often a writer that was closed by a failed commit checks whether the disk works again.
    pub probe_interval: Duration,
}

impl Foundation {
    pub fn new(options: &Options) -> Foundation {
        let flushing = if options.ephemeral {
            Flushing::Never
        } else {
            Flushing::Always
        };
        Foundation {
            io: Arc::new(Disk::new(flushing)),
            backend: composition::database(&options.directory, flushing),
            probe_interval: Duration::from_secs(1),
        }
    }
}

/// Durable rows and blobs, in a directory that one process owns. A clone is another handle to the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    blobs: Blobs,
    uploads: Uploads,
    strays_removed: AtomicBool,
}

/// The amount that a collection has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub links: usize,
    pub blobs: usize,
    pub files: usize,
    /// The bytes of the blobs and files.
    pub bytes: u64,
}

impl Store {
    pub fn open(options: &Options) -> Result<Store, StoreError> {
        Store::open_on(&options.directory, Foundation::new(options))
    }

    /// Opens the store with the tables of the services above it, and reads what these need first, on the connection that has
    /// already loaded the schema.
    pub fn open_and_read<T>(
        options: &Options,
        owned: &[Migrations],
        work: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<(Store, T), StoreError> {
        Store::build(&options.directory, Foundation::new(options), owned, work)
    }

    /// Whether a store has been opened in the directory before.
    pub fn is_in(directory: &Path) -> bool {
        composition::database_path(directory).exists()
    }

    pub fn open_on(directory: &Path, foundation: Foundation) -> Result<Store, StoreError> {
        let (store, ()) = Store::build(directory, foundation, &[], |_| Ok(()))?;
        Ok(store)
    }

    fn build<T>(
        directory: &Path,
        foundation: Foundation,
        owned: &[Migrations],
        work: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<(Store, T), StoreError> {
        let Foundation {
            io,
            backend,
            probe_interval,
        } = foundation;
        let directory = Directory::open(directory, io.as_ref())?;

        let connection = backend.connect(Access::Write)?;
        if migrate(connection.as_ref(), !directory.is_laid_out(), owned)? == Schema::New {
            // A database that loses a file of its own is then still recognized as one of ours.
            connection.maintain(Moment::Closing)?;
        }
        directory.lay_out(io.as_ref())?;
        let began = milliseconds_since_1970(directory.opened_at());
        let keys = keys::ensure_key(connection.as_ref(), began)?;
        let issued = IssuedUploads::new(&keys, began, IDLE_AGE_MILLISECONDS_MAX)?;
        let read = work(&Snapshot::new(connection.as_ref()))?;

        let writer = Writer::start(backend.clone(), connection, probe_interval)?;
        let files = Arc::new(Files::new(directory.blobs(), io));
        let core = Core::new(writer, Readers::new(backend), files, directory);
        let store = Store(Arc::new(Inner {
            blobs: Blobs::new(core.clone()),
            uploads: Uploads::new(core.clone(), issued),
            core,
            strays_removed: AtomicBool::new(false),
        }));
        Ok((store, read))
    }

    /// Runs the work in a transaction that waiting writes share. The change is durable when the result is
    /// `Ok`.
    ///
    /// The work may be run again, so it touches nothing but `tx`. It is rolled back when it fails or panics.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0.core.writer.write(work).await
    }

    /// Reads at most about 1,000 rows. A database in a file is read on the calling thread, so that the result is ready
    /// at once; one behind a network will be waited for.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Snapshot<'_>) -> Result<T, E> + Send,
        T: Send,
        E: From<StoreError> + Send,
    {
        self.0.core.read(work).await
    }

    /// Reads any number of rows on the blocking pool.
    pub async fn read_many<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Snapshot<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0.core.readers.read_many(work).await
    }

    /// The state of the rows, or `None` while a commit is in progress. Data that was read between two equal
    /// states is valid as long as the store returns that state again.
    pub fn settled(&self) -> Option<Settled> {
        self.0.core.writer.settled()
    }

    pub fn health(&self) -> Health {
        self.0.core.writer.health()
    }

    /// Returns a watch that changes whenever a transaction that announced the topic is committed.
    pub fn watch(&self, topic: Topic) -> watch::Receiver<()> {
        self.0.core.writer.watch(topic)
    }

    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.0.core.writer.watch_health()
    }

    /// Accepts no more writes, finishes waiting ones and the upkeep of the database, and releases the lock.
    pub async fn close(&self) {
        let core = self.0.core.clone();
        if tokio::task::spawn_blocking(move || core.close()).await.is_err() {
            tracing::error!("closing the store panicked");
        }
    }

    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    pub fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }

    /// Removes links that no image has needed for a day and blobs that no link names. The first call also
    /// removes files that an earlier process has left behind. Runs beside pushes and pulls. `now` is machine
    /// time.
    pub async fn collect(&self, now_milliseconds: i64) -> Result<Collected, StoreError> {
        let core = &self.0.core;
        let links = collect::unused_links(core, now_milliseconds).await?;
        let blobs = collect::unlinked_blobs(core).await?;
        let files = if self.0.strays_removed.swap(true, Ordering::AcqRel) {
            Removed::default()
        } else {
            collect::stray_files(core).await?
        };
        Ok(Collected {
            links,
            blobs: blobs.count,
            files: files.count,
            bytes: blobs.bytes + files.bytes,
        })
    }

    /// Like `collect`, but looks for left-behind files in every call.
    pub async fn collect_everything(&self, now_milliseconds: i64) -> Result<Collected, StoreError> {
        self.0.strays_removed.store(false, Ordering::Release);
        self.collect(now_milliseconds).await
    }

    /// Reads every blob and the database again, and reports damage in lines. Runs beside pushes and pulls.
    pub async fn verify(&self, report: &Report) -> Result<Verified, StoreError> {
        verify::verify(&self.0.core, report).await
    }

    /// Makes or renews a backup in a separate directory, and reports in lines what could not be copied. The
    /// backup contains everything that was acknowledged before, except unfinished uploads.
    pub async fn back_up(&self, directory: &Path, report: &Report) -> Result<BackedUp, BackupError> {
        let (core, directory, report) = (self.0.core.clone(), directory.to_owned(), report.clone());
        tokio::task::spawn_blocking(move || backup::make(&core, &directory, &report))
            .await
            .unwrap_or(Err(BackupError::Store(StoreError::Panicked)))
    }

    #[cfg(test)]
    pub(crate) fn hold_files(&self) -> crate::files::Hold {
        self.0.core.files.hold()
    }
}

fn milliseconds_since_1970(time: SystemTime) -> i64 {
    let age = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
}
