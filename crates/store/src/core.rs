//! The parts that rows and blobs share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::directory::Directory;
use crate::files::Files;
use crate::readers::Readers;
use crate::writer::Writer;
use crate::{Snapshot, StoreError, Tx};

// The fields are dropped in order: the lock of the directory is released last.
pub(crate) struct Core {
    pub(crate) writer: Writer,
    pub(crate) readers: Arc<Readers>,
    pub(crate) files: Arc<Files>,
    pub(crate) opened_at: SystemTime,
    directory: Mutex<Option<Directory>>,
}

impl Core {
    pub(crate) fn new(
        writer: Writer,
        readers: Arc<Readers>,
        files: Arc<Files>,
        directory: Directory,
    ) -> Arc<Core> {
        let opened_at = directory.opened_at();
        Arc::new(Core {
            writer,
            readers,
            files,
            opened_at,
            directory: Mutex::new(Some(directory)),
        })
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write(work).await
    }

    #[expect(
        clippy::unused_async,
        reason = "a database behind a network will be waited for here"
    )]
    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Snapshot<'_>) -> Result<T, E> + Send,
        T: Send,
        E: From<StoreError> + Send,
    {
        self.readers.read(work)
    }

    pub(crate) fn close(&self) {
        self.writer.stop();
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// Runs disk work on the blocking pool, away from the threads that serve requests.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(StoreError::Panicked))
}
