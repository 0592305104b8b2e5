//! The streams of an HTTP/2 connection. An answer ends if its client takes no byte of it for a minute.
//!
//! With flow control, a client can delay an answer forever while its connection looks alive. Each stream has
//! a clock that runs while pieces of its answer wait for the client. A piece that still waits after its
//! stream has finished can only be dropped by closing the connection. A connection with many waiting streams
//! is closed too.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;
use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep, timeout},
};

const STALL_MAX: Duration = Duration::from_mins(1);
const CHECKED_EVERY: Duration = Duration::from_secs(5);
/// Number of streams that the clock may end before it closes the connection.
const STALLED_MAX: usize = 32;
/// When this number of streams have finished with their last piece waiting, those streams are checked.
const LEFT_MIN: usize = 64;

tokio::task_local! {
    static STREAM: Arc<Progress>;
}

/// The progress of the pieces of an answer.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    waiting: AtomicUsize,
    /// Changes whenever bytes are taken or handed over.
    moved: AtomicU64,
}

impl Progress {
    /// The progress of the stream that is being answered.
    pub(crate) fn of_stream() -> Option<Arc<Progress>> {
        STREAM.try_with(Arc::clone).ok()
    }

    fn moves(&self) {
        self.moved.fetch_add(1, Relaxed);
    }
}

/// A piece that waits for the client. It is dropped when the client takes it.
#[derive(Debug)]
pub(crate) struct Untaken(Arc<Progress>);

impl Untaken {
    pub(crate) fn new(progress: &Arc<Progress>) -> Untaken {
        progress.waiting.fetch_add(1, Relaxed);
        progress.moves();
        Untaken(Arc::clone(progress))
    }

    pub(crate) fn took_some(&self) {
        self.0.moves();
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
        self.0.moves();
    }
}

/// The last observed progress, and the time since which it is unchanged.
struct Watch {
    progress: Arc<Progress>,
    moved: u64,
    since: Instant,
}

impl Watch {
    fn new(progress: Arc<Progress>) -> Watch {
        Watch {
            moved: progress.moved.load(Relaxed),
            progress,
            since: Instant::now(),
        }
    }

    fn waits(&self) -> bool {
        self.progress.waiting.load(Relaxed) > 0
    }

    fn is_stalled(&mut self) -> bool {
        let moved = self.progress.moved.load(Relaxed);
        if moved != self.moved || !self.waits() {
            self.moved = moved;
            self.since = Instant::now();
        }
        self.since.elapsed() >= STALL_MAX
    }
}

/// Runs the streams of one connection.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Connection>);

#[derive(Default)]
struct Connection {
    has_begun: AtomicBool,
    left: Mutex<Vec<Watch>>,
    stalled: AtomicUsize,
    has_stalled: Notify,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.has_begun.store(true, Relaxed);
        tokio::spawn(run(stream, self.clone()));
    }
}

async fn run(stream: impl Future<Output = ()>, streams: Streams) {
    let progress = Arc::new(Progress::default());
    let mut stream = pin!(STREAM.scope(Arc::clone(&progress), stream));
    let mut clock = None;
    let ended = poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::ByItself);
        }
        poll_clock(&mut clock, &progress, cx).map(|()| Ended::Stalled)
    });
    if let Ended::Stalled = ended.await {
        streams.note_stalled();
        return;
    }
    let left = Watch::new(progress);
    if left.waits() {
        streams.leave(left);
    }
}

enum Ended {
    ByItself,
    Stalled,
}

type Clock = (Watch, Pin<Box<Sleep>>);

/// Ready when the client has taken nothing for too long. Sets no timer while no piece waits for the client.
fn poll_clock(clock: &mut Option<Clock>, progress: &Arc<Progress>, cx: &mut Context<'_>) -> Poll<()> {
    if progress.waiting.load(Relaxed) == 0 {
        return Poll::Pending;
    }
    let (watch, alarm) = clock.get_or_insert_with(|| {
        let watch = Watch::new(Arc::clone(progress));
        (watch, Box::pin(sleep(CHECKED_EVERY)))
    });
    while alarm.as_mut().poll(cx).is_ready() {
        if watch.is_stalled() {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(Instant::now() + CHECKED_EVERY);
    }
    Poll::Pending
}

impl Streams {
    fn leave(&self, watch: Watch) {
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= LEFT_MIN {
            left.retain(Watch::waits);
        }
        left.push(watch);
    }

    fn note_stalled(&self) {
        self.0.stalled.fetch_add(1, Relaxed);
        self.0.has_stalled.notify_one();
    }

    /// Ready when the connection must be closed: it began no stream in time, or its client does not take
    /// waiting pieces.
    pub(crate) async fn stall(&self, first_within: Duration) {
        sleep(first_within).await;
        while self.0.has_begun.load(Relaxed) && !self.are_stalled() {
            let _ = timeout(CHECKED_EVERY, self.0.has_stalled.notified()).await;
        }
    }

    fn are_stalled(&self) -> bool {
        if self.0.stalled.load(Relaxed) >= STALLED_MAX {
            return true;
        }
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(Watch::waits);
        left.iter_mut().any(Watch::is_stalled)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{sync::oneshot, time::timeout};

    use super::*;

    /// A stream that has handed over a piece. The client takes a byte every `seconds`, ten times.
    async fn answering(seconds: u64) {
        let piece = Untaken::new(&Progress::of_stream().unwrap());
        for _ in 0..10 {
            sleep(Duration::from_secs(seconds)).await;
            piece.took_some();
        }
        pending::<()>().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_a_minute_after_the_last_byte_was_taken() {
        for (seconds, ended) in [(70, 60), (50, 560)] {
            let begun = Instant::now();
            run(answering(seconds), Streams::default()).await;
            let lasted = begun.elapsed().as_secs();
            assert!((ended..=ended + 10).contains(&lasted), "{lasted}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_waits_for_the_server_is_left_alone() {
        let waiting = run(pending(), Streams::default());
        assert!(timeout(Duration::from_hours(1), waiting).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_when_a_last_piece_is_not_taken() {
        let streams = Streams::default();
        let (sender, receiver) = oneshot::channel();
        streams.execute(async move {
            let piece = Untaken::new(&Progress::of_stream().unwrap());
            sender.send(piece).unwrap();
        });
        let piece = receiver.await.unwrap();
        let begun = Instant::now();
        streams.stall(Duration::from_secs(1)).await;
        assert!((60..=75).contains(&begun.elapsed().as_secs()));
        drop(piece);
        let stall = streams.stall(Duration::from_secs(1));
        assert!(timeout(Duration::from_hours(1), stall).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_many_streams_stalled_ends() {
        let streams = Streams::default();
        for _ in 0..STALLED_MAX {
            streams.execute(answering(70));
            let stall = streams.stall(Duration::from_secs(1));
            assert!(timeout(Duration::from_secs(2), stall).await.is_err());
        }
        let begun = Instant::now();
        streams.stall(Duration::from_secs(1)).await;
        assert!(begun.elapsed().as_secs() <= 70);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_ends() {
        let begun = Instant::now();
        Streams::default().stall(Duration::from_secs(30)).await;
        assert_eq!(begun.elapsed().as_secs(), 30);
    }
}
