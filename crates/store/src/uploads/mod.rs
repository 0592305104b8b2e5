//! Uploads: one way to receive a blob, for every protocol.

mod complete;
mod flush;
mod issued;
mod pump;
mod receive;
mod session;
mod spool;
mod upload;

use std::sync::Arc;

use ecru_model::DigestAlgorithm;

use crate::core::{Core, off_thread};
use crate::tables::uploads::{self, UploadRow};
use crate::upload_id::UploadId;
use crate::uploads::session::{OpenUploads, Session, State};
use crate::{Received, Snapshot, StoreError, Tx};

pub use crate::uploads::complete::CompleteError;
pub(crate) use crate::uploads::issued::IssuedUploads;
pub use crate::uploads::pump::{AppendError, ByteSource};
pub use crate::uploads::upload::{Durability, Upload};

/// The number of abandoned uploads that one call removes.
const EXPIRED_COUNT_MAX: i64 = 200;
pub(crate) const IDLE_AGE_MILLISECONDS_MAX: i64 = 24 * 60 * 60 * 1_000;

/// Why an upload cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error("the repository has no such upload")]
    NotFound,

    #[error("another caller works on the upload")]
    Busy,

    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone, Copy, Debug)]
pub struct NewUpload {
    pub repository_id: i64,
    pub algorithm: DigestAlgorithm,
    /// Machine time.
    pub now_milliseconds: i64,
}

pub struct Uploads {
    core: Arc<Core>,
    open: Arc<OpenUploads>,
}

impl Uploads {
    pub(crate) fn new(core: Arc<Core>, issued: IssuedUploads) -> Uploads {
        Uploads {
            core,
            open: Arc::new(OpenUploads::new(issued)),
        }
    }

    /// Begins an upload without a write: its id is sufficient proof, and outlives the process. Returns `None`
    /// if there would be too many in memory, or more than `count_max` in the repository.
    pub fn issue(
        &self,
        at: &Snapshot<'_>,
        new: NewUpload,
        count_max: u64,
    ) -> Result<Option<UploadId>, StoreError> {
        self.core.writer.refuse_unless_writable()?;
        let count_max = count_max.saturating_sub(uploads::count(at, new.repository_id)?);
        Ok(self
            .open
            .issued
            .issue(new.repository_id, new.algorithm, new.now_milliseconds, count_max))
    }

    pub async fn begin(
        &self,
        repository_id: i64,
        algorithm: DigestAlgorithm,
        now_milliseconds: i64,
    ) -> Result<UploadId, StoreError> {
        let id = UploadId::random();
        self.core
            .write(move |tx| uploads::insert(tx, &id, repository_id, algorithm, now_milliseconds))
            .await?;
        Ok(id)
    }

    /// Begins an upload within a transaction that also checks whether it may begin. `now` is machine time.
    pub fn insert(
        &self,
        tx: &Tx<'_>,
        repository_id: i64,
        algorithm: DigestAlgorithm,
        now_milliseconds: i64,
    ) -> Result<UploadId, StoreError> {
        let id = UploadId::random();
        uploads::insert(tx, &id, repository_id, algorithm, now_milliseconds)?;
        Ok(id)
    }

    /// The number of uploads of a repository that have begun and not ended.
    pub fn count(&self, at: &Snapshot<'_>, repository_id: i64) -> Result<u64, StoreError> {
        Ok(uploads::count(at, repository_id)? + self.open.issued.count(repository_id))
    }

    /// No other caller can work on the upload until the returned value is dropped.
    pub async fn take(&self, repository_id: i64, id: &UploadId) -> Result<Upload, TakeError> {
        let (mut session, row) = self.claim(repository_id, id).await?;
        if session.state().is_none() {
            session.set_state(self.load(row).await?);
        }
        Ok(Upload::new(session, self.open.clone()))
    }

    /// The number of bytes received, without taking the upload. While a caller works on it, the number of
    /// saved bytes.
    pub async fn offset(&self, repository_id: i64, id: &UploadId) -> Result<Option<u64>, StoreError> {
        let saved = match self.find(repository_id, id).await? {
            Some(row) => row.saved.offset,
            None if self.is_given(repository_id, id).await? => 0,
            None => return Ok(None),
        };
        Ok(Some(self.open.idle_offset(id).unwrap_or(saved)))
    }

    /// Ends an upload, even if its bytes can no longer be read.
    pub async fn cancel(&self, repository_id: i64, id: &UploadId) -> Result<(), TakeError> {
        let (session, row) = self.claim(repository_id, id).await?;
        Ok(session.cancel(row.saved.file).await?)
    }

    /// Ends an upload, if it still exists. A caller that is working on it finds it gone.
    pub async fn abandon(&self, repository_id: i64, id: &UploadId) -> Result<(), StoreError> {
        match self.cancel(repository_id, id).await {
            Ok(()) | Err(TakeError::NotFound) => return Ok(()),
            Err(TakeError::Store(error)) => return Err(error),
            Err(TakeError::Busy) => {}
        }
        let ended = *id;
        self.core.write(move |tx| uploads::delete(tx, &ended)).await?;
        self.open.issued.end(id);
        self.open.abandon(id);
        Ok(())
    }

    /// Ends every upload of a repository, as `abandon` does. Other uploads may begin meanwhile, unless the
    /// repository can no longer be found.
    pub async fn abandon_all(&self, repository_id: i64) -> Result<(), StoreError> {
        for id in self.open.issued.list_of(repository_id) {
            self.abandon(repository_id, &id).await?;
        }
        loop {
            let stored = self
                .core
                .read(|at| uploads::list_of(at, repository_id, EXPIRED_COUNT_MAX))
                .await?;
            if stored.is_empty() {
                return Ok(());
            }
            for id in stored {
                self.abandon(repository_id, &id).await?;
            }
        }
    }

    /// Removes uploads that no caller works on and that began more than 24 h ago. Uploads that began more
    /// than 24 h ahead are removed too: the clock was set back since. Returns the number removed.
    pub async fn expire(&self, now_milliseconds: i64) -> Result<usize, StoreError> {
        let oldest = now_milliseconds - IDLE_AGE_MILLISECONDS_MAX;
        let newest = now_milliseconds + IDLE_AGE_MILLISECONDS_MAX;
        self.core
            .write(move |tx| uploads::forget_ended(tx, oldest, EXPIRED_COUNT_MAX))
            .await?;
        let mut found = self
            .core
            .read(|at| uploads::list_begun_outside(at, (oldest, newest), EXPIRED_COUNT_MAX))
            .await?;
        found.extend(self.open.issued.list_issued_outside(oldest, newest));
        let mut expired = 0;
        for (repository_id, id) in found {
            match self.cancel(repository_id, &id).await {
                Ok(()) => expired += 1,
                Err(TakeError::NotFound | TakeError::Busy) => {}
                Err(TakeError::Store(error)) => return Err(error),
            }
        }
        Ok(expired)
    }

    async fn claim(&self, repository_id: i64, id: &UploadId) -> Result<(Session, UploadRow), TakeError> {
        let Some(mut session) = self.open.claim(&self.core, *id) else {
            let found =
                self.find(repository_id, id).await?.is_some() || self.is_given(repository_id, id).await?;
            return Err(if found {
                TakeError::Busy
            } else {
                TakeError::NotFound
            });
        };
        let issued = self.open.issued.find(id);
        if issued.is_none_or(|issued| issued.uncertain)
            && let Some(row) = self.core.read(|at| uploads::find(at, id)).await?
        {
            let own = row.repository_id == repository_id;
            return own.then_some((session, row)).ok_or(TakeError::NotFound);
        }
        if let Some(unsaved) = issued {
            if unsaved.repository_id != repository_id {
                return Err(TakeError::NotFound);
            }
            session.set_unsaved(unsaved);
            return Ok((session, UploadRow::empty(repository_id, unsaved.algorithm)));
        }
        if let Some(row) = self.take_up(repository_id, id).await? {
            return Ok((session, row));
        }
        session.discard(None).await?;
        Err(TakeError::NotFound)
    }

    /// Creates a row for an upload that an earlier process issued, so that its end will be recorded.
    async fn take_up(&self, repository_id: i64, id: &UploadId) -> Result<Option<UploadRow>, StoreError> {
        let Some(algorithm) = self.open.issued.recognize(repository_id, id) else {
            return Ok(None);
        };
        let issued = *id;
        let taken = self
            .core
            .write(move |tx| uploads::take_up(tx, &issued, repository_id, algorithm))
            .await?;
        Ok(taken.then(|| UploadRow::empty(repository_id, algorithm)))
    }

    /// Whether the repository has an upload without a row.
    async fn is_given(&self, repository_id: i64, id: &UploadId) -> Result<bool, StoreError> {
        if let Some(issued) = self.open.issued.find(id) {
            return Ok(issued.repository_id == repository_id);
        }
        Ok(self.open.issued.recognize(repository_id, id).is_some()
            && !self.core.read(|at| uploads::has_ended(at, id)).await?)
    }

    /// Checks the idle uploads once, as the periodic task does. Returns whether this was the last check.
    #[cfg(test)]
    pub(crate) fn rest(&self) -> bool {
        self.open.rest() == spool::Rest::Nothing
    }

    async fn load(&self, row: UploadRow) -> Result<Box<State>, StoreError> {
        if row.saved.file.is_none() {
            return State::load(&self.core, &row);
        }
        let core = self.core.clone();
        off_thread(move || State::load(&core, &row)).await
    }

    async fn find(&self, repository_id: i64, id: &UploadId) -> Result<Option<UploadRow>, StoreError> {
        let row = self.core.read(|at| uploads::find(at, id)).await?;
        Ok(row.filter(|row| row.repository_id == repository_id))
    }

    /// Receives a whole blob in one request. The bytes are on stable storage, and are removed unless a
    /// transaction inserts them.
    pub async fn receive(
        &self,
        algorithm: DigestAlgorithm,
        source: &mut impl ByteSource,
        limit_bytes: u64,
    ) -> Result<Received, AppendError> {
        receive::receive(&self.core, algorithm, source, limit_bytes).await
    }
}
