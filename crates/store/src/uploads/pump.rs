//! From the socket to the disk: chunks gather here while a thread hashes and writes those before them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::uploads::spool::Spool;
use crate::{StoreError, Tried};

/// What is worth a thread's while, and what gathers while one is busy before the socket has to wait.
const GATHERED_BYTES_MIN: usize = 64 * 1024;
const GATHERED_BYTES_MAX: usize = 512 * 1024;
/// How much is flushed at once, while the next as much comes in: little is left for the end.
const FLUSHED_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes that come in by and by, such as the body of a request.
pub trait ByteSource: Send {
    fn next(&mut self) -> impl Future<Output = Option<io::Result<Bytes>>> + Send;
}

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the bytes did not all arrive")]
    Source(#[source] io::Error),

    #[error("more bytes came than are allowed")]
    TooLarge,

    #[error("the upload has ended, or must be taken anew")]
    Gone,

    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who a spool belongs to while bytes are pumped into it.
pub(crate) trait Holder: Send + 'static {
    fn spool(&mut self) -> Option<&mut Spool>;

    /// Called on a thread that may block, when there is enough for a flush.
    fn checkpoint(&mut self) -> Result<(), AppendError>;
}

/// Takes all that comes. What was taken before a failure stays; the holder is lost only to a panic.
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

/// No thread is held while the source is silent, or a few slow clients could hold them all. One that finds more when it has
/// written what it had goes on with it: to end, to wake this task and to be begun anew takes a tenth as long as the writing.
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

/// What has come and waits for a thread.
#[derive(Default)]
struct Gathered {
    state: Mutex<Waiting>,
    taken: Notify,
}

#[derive(Default)]
struct Waiting {
    chunks: Vec<Bytes>,
    bytes: usize,
    /// Whether a thread will look here again.
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

    /// Waits while as much is there as may be, unless nobody is going to take it.
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

    /// For a thread that begins: all there is.
    fn take(&self) -> Vec<Bytes> {
        let mut waiting = self.lock();
        waiting.is_watched = true;
        waiting.take()
    }

    /// For a thread that has written: what is worth going on for. It does not come back after `None`.
    fn take_more(&self) -> Option<Vec<Bytes>> {
        let mut waiting = self.lock();
        if waiting.bytes < GATHERED_BYTES_MIN {
            waiting.is_watched = false;
            return None;
        }
        self.taken.notify_one();
        Some(waiting.take())
    }

    /// Whether it has written all, failed or panicked, a thread that ends looks no more.
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

/// A thread's look at what gathers.
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

/// Counts what a source gives.
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
