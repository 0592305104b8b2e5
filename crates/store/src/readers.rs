//! Reading: each thread keeps its own connection, and the blocking pool shares a few.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

use crate::backend::{Access, Backend, Connection};
use crate::{Snapshot, StoreError};

const POOL_CONNECTIONS_MAX: usize = 4;

pub(crate) struct Readers {
    backend: Arc<dyn Backend>,
    pool: Mutex<Vec<Box<dyn Connection>>>,
    permits: Semaphore,
}

/// A connection that a thread keeps for one store, until that store is dropped.
struct Kept {
    owner: Weak<Readers>,
    connection: Box<dyn Connection>,
}

thread_local! {
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

impl Readers {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Arc<Readers> {
        Arc::new(Readers {
            backend,
            pool: Mutex::new(Vec::new()),
            permits: Semaphore::new(POOL_CONNECTIONS_MAX),
        })
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    /// Reads on the calling thread. The connection is taken out of its slot during the read. A read within a
    /// read therefore opens another connection, and a panic loses this one.
    pub(crate) fn read<T, E: From<StoreError>>(
        self: &Arc<Readers>,
        work: impl FnOnce(&Snapshot<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = match self.take_kept() {
            Some(connection) => connection,
            None => self.backend.connect(Access::Read)?,
        };
        let result = read_with(connection.as_ref(), work);
        self.keep(connection);
        result
    }

    pub(crate) async fn read_many<T, E, F>(self: &Arc<Readers>, work: F) -> Result<T, E>
    where
        F: FnOnce(&Snapshot<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let readers = self.clone();
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(StoreError::Closed.into());
        };
        tokio::task::spawn_blocking(move || readers.read_pooled(work))
            .await
            .unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }

    fn read_pooled<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Snapshot<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.backend.connect(Access::Read)?,
        };
        let result = read_with(connection.as_ref(), work);
        self.pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        result
    }

    fn take_kept(self: &Arc<Readers>) -> Option<Box<dyn Connection>> {
        KEPT.with_borrow_mut(|kept| {
            let own = kept
                .iter()
                .position(|kept| std::ptr::eq(kept.owner.as_ptr(), Arc::as_ptr(self)))?;
            Some(kept.swap_remove(own).connection)
        })
    }

    fn keep(self: &Arc<Readers>, connection: Box<dyn Connection>) {
        KEPT.with_borrow_mut(|kept| {
            kept.retain(|kept| {
                kept.owner.strong_count() > 0 && !std::ptr::eq(kept.owner.as_ptr(), Arc::as_ptr(self))
            });
            kept.push(Kept {
                owner: Arc::downgrade(self),
                connection,
            });
        });
    }
}

fn read_with<T, E: From<StoreError>>(
    connection: &dyn Connection,
    work: impl FnOnce(&Snapshot<'_>) -> Result<T, E>,
) -> Result<T, E> {
    connection.begin()?;
    let result = work(&Snapshot::new(connection));
    connection.commit()?;
    result
}
