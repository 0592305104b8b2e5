//! Sessions: one caller at a time works on an upload, and its state stays in memory for the next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ecru_model::Digest;
use tokio::runtime::Handle;

use crate::core::{Core, off_thread};
use crate::files::FileName;
use crate::tables::uploads::{self, Parts, Progress, Saved, UploadRow};
use crate::upload_id::UploadId;
use crate::uploads::flush::Flushed;
use crate::uploads::issued::{IssuedUploads, Unsaved};
use crate::uploads::pump::Holder;
use crate::uploads::spool::{Mark, Rest, Spool};
use crate::{AppendError, Received, StoreError, Tried};

/// After this many bytes of a stream the row is renewed. The stream can resume from it after a restart.
const SAVED_EVERY_BYTES: u64 = 64 * 1024 * 1024;

/// The least time that an upload keeps its file open for the next request.
const REST_AFTER: Duration = Duration::from_millis(500);
/// The number of uploads that begin to rest at once: each may need a thread that flushes its file.
const RESTING_AT_ONCE_MAX: usize = 32;

/// The uploads that a session holds, and those with state in memory that their row does not have.
pub(crate) struct OpenUploads {
    slots: Mutex<HashMap<UploadId, Slot>>,
    /// Whether a task checks the idle uploads.
    is_watched: AtomicBool,
    /// Uploads that have no row, because they have received nothing.
    pub(crate) issued: IssuedUploads,
}

enum Slot {
    Busy { abandoned: bool },
    Idle(Box<State>),
}

/// The state of an upload.
pub(crate) struct State {
    pub(crate) spool: Spool,
    pub(crate) parts: Parts,
    /// The state in the row, or in the row after a commit whose outcome is unknown.
    pub(crate) saved: Saved,
    /// The position to go back to unless the current step succeeds.
    undo: Option<Mark>,
    /// After a failed flush or commit, only the row can be relied on.
    uncertain: bool,
    /// Whether a session has used the upload since the last check of idle uploads.
    is_fresh: bool,
}

/// The exclusive right to work on an upload, until it is dropped.
pub(crate) struct Session {
    pub(crate) core: Arc<Core>,
    open: Arc<OpenUploads>,
    id: UploadId,
    state: Option<Box<State>>,
    /// The values of the first row, while there is no row.
    unsaved: Option<Unsaved>,
}

impl OpenUploads {
    pub(crate) fn new(issued: IssuedUploads) -> OpenUploads {
        OpenUploads {
            slots: Mutex::default(),
            is_watched: AtomicBool::new(false),
            issued,
        }
    }

    /// Returns `None` while another session holds the upload.
    pub(crate) fn claim(self: &Arc<OpenUploads>, core: &Arc<Core>, id: UploadId) -> Option<Session> {
        let mut slots = self.lock();
        let state = match slots.remove(&id) {
            Some(Slot::Busy { abandoned }) => {
                slots.insert(id, Slot::Busy { abandoned });
                return None;
            }
            Some(Slot::Idle(state)) => Some(state),
            None => None,
        };
        slots.insert(id, Slot::Busy { abandoned: false });
        Some(Session {
            core: core.clone(),
            open: self.clone(),
            id,
            state,
            unsaved: None,
        })
    }

    /// Its row is gone: a session that works on it leaves no state behind.
    pub(crate) fn abandon(&self, id: &UploadId) {
        if let Some(Slot::Busy { abandoned }) = self.lock().get_mut(id) {
            *abandoned = true;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The number of bytes received by an idle upload.
    pub(crate) fn idle_offset(&self, id: &UploadId) -> Option<u64> {
        match self.lock().get(id) {
            Some(Slot::Idle(state)) => Some(state.spool.offset()),
            Some(Slot::Busy { .. }) | None => None,
        }
    }

    /// Starts a task that closes the files of uploads that no caller returns to.
    fn watch(self: &Arc<OpenUploads>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.is_watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let open = Arc::downgrade(self);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(REST_AFTER).await;
                match open.upgrade() {
                    Some(open) if open.rest() == Rest::Busy => {}
                    Some(_) | None => return,
                }
            }
        });
    }

    /// Checks the idle uploads once. There is nothing left to do when none of them holds a file.
    pub(crate) fn rest(&self) -> Rest {
        let mut slots = self.lock();
        let (mut begun, mut failed, mut rest) = (0, Vec::new(), Rest::Nothing);
        for (id, slot) in slots.iter_mut() {
            let Slot::Idle(state) = slot else { continue };
            if !state.spool.holds_file() {
                continue;
            }
            if std::mem::take(&mut state.is_fresh) || begun == RESTING_AT_ONCE_MAX {
                rest = Rest::Busy;
                continue;
            }
            begun += 1;
            match state.spool.rest() {
                Ok(Rest::Nothing) => {}
                Ok(Rest::Busy) => rest = Rest::Busy,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "an upload could not be flushed"
                    );
                    state.uncertain = true;
                    failed.push(*id);
                }
            }
        }
        for id in failed {
            if let Some(Slot::Idle(state)) = slots.remove(&id) {
                // From now on only the row counts.
                let _ = left_behind(state);
            }
        }
        if rest == Rest::Nothing {
            // Under the lock, so that a session that releases an upload after this check starts another
            // watch.
            self.is_watched.store(false, Ordering::Release);
        }
        rest
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn load(core: &Core, row: &UploadRow) -> Result<Box<State>, StoreError> {
        let spool = Spool::load(core.files.clone(), row)?;
        Ok(Box::new(State {
            spool,
            parts: row.parts,
            saved: row.saved,
            undo: None,
            uncertain: false,
            is_fresh: true,
        }))
    }

    fn is_all_saved(&self) -> bool {
        self.spool.saved() == self.saved
    }

    fn roll_back(&mut self) {
        if let Some(mark) = self.undo.take() {
            self.spool.rewind(mark);
        }
    }

    fn discard_file(&self) {
        if let Some(name) = self.spool.file() {
            self.spool.files().unlink_later(name);
        }
    }
}

impl Session {
    pub(crate) fn id(&self) -> UploadId {
        self.id
    }

    pub(crate) fn state(&self) -> Option<&State> {
        self.state.as_deref()
    }

    pub(crate) fn set_unsaved(&mut self, unsaved: Unsaved) {
        self.unsaved = Some(unsaved);
    }

    pub(crate) fn is_rowless(&self) -> bool {
        self.unsaved.is_some()
    }

    /// A commit that reported failure may later turn out to have been made.
    pub(crate) fn may_have_row(&self) -> bool {
        self.unsaved.is_none_or(|unsaved| unsaved.uncertain)
    }

    pub(crate) fn set_state(&mut self, state: Box<State>) {
        self.state = Some(state);
    }

    pub(crate) fn state_mut(&mut self) -> Result<&mut State, StoreError> {
        self.state.as_deref_mut().ok_or(StoreError::Panicked)
    }

    /// From here on a failure returns to this position.
    pub(crate) fn begin(&mut self) {
        if let Some(state) = &mut self.state {
            state.undo = Some(state.spool.mark());
        }
    }

    pub(crate) fn roll_back(&mut self) {
        if let Some(state) = &mut self.state {
            state.roll_back();
        }
    }

    /// After a commit whose outcome is unknown, a row may name the file.
    pub(crate) fn mark_uncertain(&mut self) {
        if let Some(state) = &mut self.state {
            state.saved.file = state.spool.file();
            state.uncertain = true;
        }
    }

    /// The upload has ended, and its file belongs to another owner.
    pub(crate) fn end(&mut self) {
        self.state = None;
        self.open.issued.end(&self.id);
    }

    /// Ends the upload: first its row is removed, then its bytes. Continues if the caller is dropped.
    pub(crate) async fn cancel(mut self, in_row: Option<FileName>) -> Result<(), StoreError> {
        let cancelling = tokio::spawn(async move {
            let (core, id) = (self.core.clone(), self.id);
            if self.may_have_row() {
                core.write(move |tx| uploads::delete(tx, &id)).await?;
            }
            self.open.issued.end(&id);
            self.discard(in_row).await
        });
        cancelling.await.unwrap_or(Err(StoreError::Panicked))
    }

    /// The upload has ended. Its file is removed, whether this session knows it or only the former row named
    /// it.
    pub(crate) async fn discard(&mut self, in_row: Option<FileName>) -> Result<(), StoreError> {
        let held = self.state.take().and_then(|state| state.spool.file());
        if held.or(in_row).is_none() {
            return Ok(());
        }
        let files = self.core.files.clone();
        off_thread(move || {
            for name in held.into_iter().chain(in_row) {
                files.unlink_quietly(name);
            }
            Ok(())
        })
        .await
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.state.as_ref().is_none_or(|state| state.uncertain)
    }

    /// Puts the received bytes on stable storage, then the row. Continues if the caller is dropped, because
    /// the next session must not meet a write in progress.
    pub(crate) async fn save(self, parts: Parts) -> (Option<Session>, Result<(), AppendError>) {
        let saving = tokio::spawn(async move {
            let (mut session, synced) = self.sync_off_thread().await?;
            let saved = match synced {
                Ok(()) => session.save_all(parts).await,
                Err(error) => Err(error.into()),
            };
            Ok((session, saved))
        });
        match saving.await {
            Ok(Ok((session, saved))) => (Some(session), saved),
            Ok(Err(error)) => (None, Err(AppendError::Store(error))),
            Err(_) => (None, Err(StoreError::Panicked.into())),
        }
    }

    async fn sync_off_thread(mut self) -> Result<(Session, Result<(), StoreError>), StoreError> {
        if self
            .state
            .as_ref()
            .is_none_or(|state| state.spool.unsynced() == 0)
        {
            return Ok((self, Ok(())));
        }
        off_thread(move || {
            let synced = self.sync();
            Ok((self, synced))
        })
        .await
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let state = self.state_mut()?;
        let synced = state.spool.sync().tried("sync an upload");
        state.uncertain |= synced.is_err();
        synced
    }

    /// Makes a whole blob of the received bytes.
    pub(crate) fn finish(&mut self, digest: Digest) -> Result<Received, StoreError> {
        let state = self.state_mut()?;
        let finished = state.spool.finish(digest).tried("sync an upload");
        state.uncertain |= finished.is_err();
        finished
    }

    async fn save_all(&mut self, parts: Parts) -> Result<(), AppendError> {
        let state = self.state_mut()?;
        if !state.is_all_saved() || state.parts != parts {
            let progress = state.spool.progress(parts);
            self.save_row(progress).await?;
        }
        self.state_mut()?.undo = None;
        Ok(())
    }

    async fn save_row(&mut self, progress: Progress) -> Result<(), AppendError> {
        let (core, open) = (self.core.clone(), self.open.clone());
        let (id, unsaved) = (self.id, self.unsaved);
        let state = self.state_mut()?;
        let (saved, parts) = (progress.saved, progress.parts);
        state.saved.file = saved.file;
        state.uncertain = true;
        open.issued.mark_uncertain(&id);
        let there = core
            .write(move |tx| {
                if let Some(Unsaved {
                    repository_id,
                    algorithm,
                    ..
                }) = unsaved
                {
                    uploads::insert(tx, &id, repository_id, algorithm, id.issued_at())?;
                }
                uploads::save(tx, &id, &progress)
            })
            .await?;
        if !there {
            state.saved.file = None;
            return Err(AppendError::Gone);
        }

        state.saved = saved;
        state.parts = parts;
        state.uncertain = false;
        if self.unsaved.take().is_some() {
            open.issued.end(&id);
        }
        Ok(())
    }
}

impl Holder for Session {
    fn spool(&mut self) -> Option<&mut Spool> {
        self.state.as_mut().map(|state| &mut state.spool)
    }

    /// An append that is acknowledged only as a whole is saved only as a whole.
    fn checkpoint(&mut self) -> Result<(), AppendError> {
        let state = self.state_mut()?;
        let flushed = state.spool.flush_on().tried("sync an upload");
        state.uncertain |= flushed.is_err();
        let Some(Flushed {
            offset,
            hash_state: Some(hash_state),
        }) = flushed?
        else {
            return Ok(());
        };
        if state.undo.is_some() || offset < state.saved.offset + SAVED_EVERY_BYTES {
            return Ok(());
        }
        let progress = Progress {
            saved: Saved {
                offset,
                file: state.spool.file(),
            },
            hash_state: Some(hash_state),
            bytes: None,
            parts: state.parts,
        };
        Handle::current().block_on(self.save_row(progress))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let left = self.state.take().and_then(left_behind);
        let mut slots = self.open.lock();
        match (slots.remove(&self.id), left) {
            (Some(Slot::Busy { abandoned: true }), Some(state)) => state.discard_file(),
            (_, Some(mut state)) => {
                state.is_fresh = true;
                let holds_file = state.spool.holds_file();
                slots.insert(self.id, Slot::Idle(state));
                drop(slots);
                if holds_file {
                    self.open.watch();
                }
            }
            (_, None) => {}
        }
    }
}

/// The state that the row does not have and the next session needs.
fn left_behind(mut state: Box<State>) -> Option<Box<State>> {
    if state.uncertain {
        if state.saved.file != state.spool.file() {
            state.discard_file();
        }
        return None;
    }
    state.roll_back();
    (!state.is_all_saved()).then_some(state)
}
