//! An upload that one holder works on.

use std::sync::Arc;

use crate::StoreError;
use crate::tables::uploads::Parts;
use crate::uploads::pump::{AppendError, ByteSource, pump};
use crate::uploads::session::{OpenUploads, Session, State};

/// The number of uploads whose memory may be ahead of their rows. Beyond it, each append is durable.
const OPEN_COUNT_MAX: usize = 256;

/// The guarantee of a successful append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The bytes are on stable storage. If the source breaks off, none of them stays.
    Durable,
    /// The bytes are kept while the process lives. If the source breaks off, the bytes that arrived stay.
    Streamed,
}

pub struct Upload {
    pub(crate) session: Option<Session>,
    open: Arc<OpenUploads>,
    /// The state at the last look at the session.
    offset: u64,
    parts: Parts,
}

impl Upload {
    pub(crate) fn new(session: Session, open: Arc<OpenUploads>) -> Upload {
        let mut upload = Upload {
            session: None,
            open,
            offset: 0,
            parts: Parts::default(),
        };
        upload.put_back(Some(session));
        upload
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn part_count(&self) -> u64 {
        self.parts.count
    }

    /// The size of the smallest part other than the last.
    pub fn smallest_inner_part(&self) -> Option<u64> {
        self.parts.smallest_inner
    }

    /// Appends all bytes of the source, at most `limit_bytes`, and returns their number. If the source fails
    /// or the caller is dropped, `durability` decides what stays. After a failed flush the upload is back at
    /// its saved state.
    pub async fn append(
        &mut self,
        source: &mut impl ByteSource,
        durability: Durability,
        limit_bytes: u64,
    ) -> Result<u64, AppendError> {
        if durability == Durability::Durable || self.open.count() > OPEN_COUNT_MAX {
            return self.append_durably(source, limit_bytes, |parts, _| parts).await;
        }
        let session = self.session.take().ok_or(AppendError::Gone)?;
        let (session, taken) = pump(session, source, limit_bytes).await;
        self.put_back(session);
        taken
    }

    /// Appends the end of a blob that is completed next. If it is not completed, for whatever reason, none of
    /// these bytes stays.
    pub async fn append_last(
        &mut self,
        source: &mut impl ByteSource,
        limit_bytes: u64,
    ) -> Result<u64, AppendError> {
        let mut session = self.session.take().ok_or(AppendError::Gone)?;
        session.begin();
        let (session, taken) = pump(session, source, limit_bytes).await;
        if taken.is_err() {
            self.put_back(session);
            return taken;
        }
        self.session = session;
        taken
    }

    /// Like a durable append, and counts the bytes as a part.
    pub async fn append_part(
        &mut self,
        source: &mut impl ByteSource,
        limit_bytes: u64,
    ) -> Result<u64, AppendError> {
        self.append_durably(source, limit_bytes, Parts::and).await
    }

    async fn append_durably(
        &mut self,
        source: &mut impl ByteSource,
        limit_bytes: u64,
        count: impl FnOnce(Parts, u64) -> Parts,
    ) -> Result<u64, AppendError> {
        let mut session = self.session.take().ok_or(AppendError::Gone)?;
        session.begin();
        let (session, taken) = pump(session, source, limit_bytes).await;

        let (session, outcome) = match (session, taken) {
            (Some(session), Ok(taken)) => {
                let (session, saved) = session.save(count(self.parts, taken)).await;
                (session, saved.map(|()| taken))
            }
            other => other,
        };
        self.put_back(session);
        outcome
    }

    /// Drops a session whose state is uncertain: the next caller loads the upload from its row.
    fn put_back(&mut self, session: Option<Session>) {
        self.session = session
            .filter(|session| !session.is_doubtful())
            .map(|mut session| {
                session.roll_back();
                session
            });
        if let Some(State { spool, parts, .. }) = self.session.as_ref().and_then(Session::state) {
            self.offset = spool.offset();
            self.parts = *parts;
        }
    }

    pub async fn cancel(mut self) -> Result<(), StoreError> {
        match self.session.take() {
            Some(session) => session.cancel(None).await,
            None => Ok(()),
        }
    }
}
