//! From the socket to the disk: chunks are gathered here while a thread hashes and writes earlier ones.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::uploads::spool::Spool;
use crate::{StoreError, Tried};

/// The least amount that is worth starting a thread for, and the most that is gathered before the socket must
/// wait.
const GATHERED_BYTES_MIN: usize = 64 * 1024;
const GATHERED_BYTES_MAX: usize = 512 * 1024;
/// The amount that is flushed at once while the next arrives. Little is then left to flush at the end.
const FLUSHED_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes that arrive over time, such as the body of a request.
pub trait ByteSource: Send {
    fn next(&mut self) -> impl Future<Output = Option<io::Result<Bytes>>> + Send;
}

/// Why bytes were not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the bytes did not all arrive")]
    Source(#[source] io::Error),

    #[error("more bytes came than are allowed")]
    TooLarge,

    #[error("the upload has ended, or must be taken again")]
    Gone,

    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The owner of a spool while bytes are pumped into it.
pub(crate) trait Holder: Send + 'static {
    fn spool(&mut self) -> Option<&mut Spool>;

    /// Called on a thread that may block, when there is enough for a flush.
    fn checkpoint(&mut self) -> Result<(), AppendError>;
}

/// Writes all bytes of the source. Bytes that were written before a failure stay. The holder is lost only to
/// a panic.
pub(crate) async fn pump<H: Holder>(
    mut holder: H,
    source: &mut impl ByteSource,
    limit_bytes: u64,
) -> (Option<H>, Result<u64, AppendError>) {
    let mut intake = Intake {
        source,
        left: limit_bytes,
        taken: 0,
    };
    loop {
        let chunk = match intake.next().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return (Some(holder), Ok(intake.taken)),
            Err(error) => return (Some(holder), Err(error)),
        };
        if !holder
            .spool()
            .is_some_and(|spool| spool.fits_in_memory(chunk.len()))
        {
            return pump_through_threads(holder, chunk, intake).await;
        }
        if let Err(error) = write_all(&mut holder, &[chunk]) {
            return (Some(holder), Err(error));
        }
    }
}

/// No thread is held while the source is silent, or a few slow clients could hold them all. A thread that
/// finds more bytes after a write continues with them: ending, waking this task and starting again takes a
/// tenth as long as the writing.
async fn pump_through_threads<H: Holder>(
    holder: H,
    first: Bytes,
    mut intake: Intake<'_, impl ByteSource>,
) -> (Option<H>, Result<u64, AppendError>) {
    let gathered = Arc::new(Gathered::default());
    gathered.push(first);
    let mut writing = write_on_thread(holder, &gathered);

    let ended = loop {
        match intake.next().await {
            Ok(Some(chunk)) => gathered.push(chunk),
            Ok(None) => break Ok(intake.taken),
            Err(error) => break Err(error),
        }
        gathered.room().await;
        if gathered.is_left_and_worth_a_thread() {
            writing = match written(writing).await {
                (Some(holder), Ok(())) => write_on_thread(holder, &gathered),
                (holder, outcome) => return (holder, outcome.map(|()| intake.taken)),
            };
        }
    };

    let (holder, outcome) = match written(writing).await {
        (Some(holder), Ok(())) => written(write_on_thread(holder, &gathered)).await,
        failed => failed,
    };
    (holder, outcome.and(ended))
}

/// Bytes that have arrived and wait for a thread.
#[derive(Default)]
struct Gathered {
    state: Mutex<Waiting>,
    taken: Notify,
}

#[derive(Default)]
struct Waiting {
    chunks: Vec<Bytes>,
    bytes: usize,
    /// Whether a thread will check this queue again.
    is_watched: bool,
}

impl Waiting {
    fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.chunks)
    }
}

impl Gathered {
    fn push(&self, chunk: Bytes) {
        let mut waiting = self.lock();
        waiting.bytes += chunk.len();
        waiting.chunks.push(chunk);
    }

    /// Waits while the queue is full, unless no thread is going to empty it.
    async fn room(&self) {
        loop {
            let taken = self.taken.notified();
            {
                let waiting = self.lock();
                if waiting.bytes < GATHERED_BYTES_MAX || !waiting.is_watched {
                    return;
                }
            }
            taken.await;
        }
    }

    fn is_left_and_worth_a_thread(&self) -> bool {
        let waiting = self.lock();
        !waiting.is_watched && waiting.bytes >= GATHERED_BYTES_MIN
    }

    /// For a thread that begins: returns all waiting bytes.
    fn take(&self) -> Vec<Bytes> {
        let mut waiting = self.lock();
        waiting.is_watched = true;
        waiting.take()
    }

    /// For a thread that has written: returns more bytes if they are worth it. The thread ends after `None`.
    fn take_more(&self) -> Option<Vec<Bytes>> {
        let mut waiting = self.lock();
        if waiting.bytes < GATHERED_BYTES_MIN {
            waiting.is_watched = false;
            return None;
        }
        self.taken.notify_one();
        Some(waiting.take())
    }

    /// A thread that ends checks the queue no more, whether it has written all, failed or panicked.
    fn leave(&self) {
        self.lock().is_watched = false;
        self.taken.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Writing<H> = JoinHandle<(H, Result<(), AppendError>)>;

fn write_on_thread<H: Holder>(mut holder: H, gathered: &Arc<Gathered>) -> Writing<H> {
    let watch = Watch(Arc::clone(gathered));
    let chunks = gathered.take();
    tokio::task::spawn_blocking(move || {
        let written = watch.write(&mut holder, chunks);
        (holder, written)
    })
}

/// Marks the queue as watched by a thread.
struct Watch(Arc<Gathered>);

impl Watch {
    fn write<H: Holder>(self, holder: &mut H, mut chunks: Vec<Bytes>) -> Result<(), AppendError> {
        loop {
            write_all(holder, &chunks)?;
            match self.0.take_more() {
                Some(more) => chunks = more,
                None => return Ok(()),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Counts the bytes of a source.
struct Intake<'s, S> {
    source: &'s mut S,
    left: u64,
    taken: u64,
}

impl<S: ByteSource> Intake<'_, S> {
    async fn next(&mut self) -> Result<Option<Bytes>, AppendError> {
        let chunk = match self.source.next().await {
            None => return Ok(None),
            Some(chunk) => chunk.map_err(AppendError::Source)?,
        };
        let length = chunk.len() as u64;
        self.left = self.left.checked_sub(length).ok_or(AppendError::TooLarge)?;
        self.taken += length;
        Ok(Some(chunk))
    }
}

async fn written<H: Holder>(writing: Writing<H>) -> (Option<H>, Result<(), AppendError>) {
    match writing.await {
        Ok((holder, written)) => (Some(holder), written),
        Err(_) => (None, Err(StoreError::Panicked.into())),
    }
}

fn write_all<H: Holder>(holder: &mut H, chunks: &[Bytes]) -> Result<(), AppendError> {
    for chunk in chunks {
        let spool = holder.spool().ok_or(StoreError::Panicked)?;
        spool.write(chunk).tried("write an upload")?;
        if spool.unflushed() >= FLUSHED_BYTES {
            holder.checkpoint()?;
        }
    }
    Ok(())
}
