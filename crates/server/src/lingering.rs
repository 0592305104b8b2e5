//! The end of an HTTP/1.1 connection whose client may still be sending: the client gets time to read its
//! answer.
//!
//! Closing a socket with unread bytes resets the connection. A client that writes its whole request before it
//! reads would lose the answer. So the connection is closed for writing first, and bytes that still arrive
//! are read and dropped, within bounds.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::layered::{Layer, Layered};

/// The silence after which no more of a refused body is read.
pub(crate) const SILENCE_MAX: Duration = Duration::from_millis(500);
pub(crate) const TIME_MAX: Duration = Duration::from_secs(2);
pub(crate) const BYTES_MAX: usize = 64 * 1024 * 1024;
const READ_BYTES: usize = 16 * 1024;

/// Whether a request of the connection was answered before its body was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnreadBody(Arc<AtomicBool>);

impl UnreadBody {
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream whose shutdown waits for the client.
pub(crate) type Lingering<S> = Layered<S, Linger>;

pub(crate) struct Linger {
    unread: UnreadBody,
    end: Option<End>,
}

/// The state after the stream is closed for writing.
struct End {
    bytes_left: usize,
    latest: Instant,
    /// `None` until it is clear that the client is sending.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    pub(crate) fn new(stream: S, unread: UnreadBody) -> Lingering<S> {
        Layered::over(stream, Linger { unread, end: None })
    }
}

impl Linger {
    fn poll_drop_input(&mut self, stream: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        let Some(end) = &mut self.end else {
            return Poll::Ready(());
        };
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        loop {
            let mut buffer = ReadBuf::uninit(&mut room);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let Some(alarm) = &mut end.alarm else {
                        return Poll::Ready(());
                    };
                    return alarm.as_mut().poll(cx);
                }
            }
            end.bytes_left = end.bytes_left.saturating_sub(buffer.filled().len());
            let now = Instant::now();
            if end.bytes_left == 0 || now >= end.latest {
                return Poll::Ready(());
            }
            end.set_alarm(now);
        }
    }
}

impl End {
    fn set_alarm(&mut self, now: Instant) {
        let at = self.latest.min(now + SILENCE_MAX);
        match &mut self.alarm {
            Some(alarm) => alarm.as_mut().reset(at),
            None => self.alarm = Some(Box::pin(sleep_until(at))),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layer<S> for Linger {
    fn poll_shutdown(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.end.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            let now = Instant::now();
            let mut end = End {
                bytes_left: BYTES_MAX,
                latest: now + TIME_MAX,
                alarm: None,
            };
            if self.unread.is_noted() {
                end.set_alarm(now);
            }
            self.end = Some(end);
        }
        self.poll_drop_input(stream, cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split},
        time::sleep,
    };

    use super::*;

    fn pair(unread: bool) -> (Lingering<DuplexStream>, DuplexStream) {
        let (server, client) = duplex(1024);
        let flag = UnreadBody::default();
        if unread {
            flag.note();
        }
        (Lingering::new(server, flag), client)
    }

    #[tokio::test(start_paused = true)]
    async fn without_input_the_end_does_not_wait() {
        let (mut server, _client) = pair(false);
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_silent_is_waited_for_half_a_second() {
        let (mut server, mut client) = pair(true);
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), SILENCE_MAX);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_on_reads_the_answer_and_ends_the_wait() {
        let (mut server, mut client) = pair(true);
        server.write_all(b"refused").await.unwrap();
        let client = tokio::spawn(async move {
            for _ in 0..4 {
                sleep(SILENCE_MAX / 2).await;
                client.write_all(&[7; 5000]).await.unwrap();
            }
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        });
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), SILENCE_MAX * 2);
        assert_eq!(client.await.unwrap(), b"refused");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_without_end_is_read_for_two_seconds_at_most() {
        let (mut server, client) = pair(true);
        let (_answer, mut client) = split(client);
        let sending = tokio::spawn(async move {
            while client.write_all(&[7; 100]).await.is_ok() {
                sleep(SILENCE_MAX / 10).await;
            }
        });
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert!(begun.elapsed() >= TIME_MAX && begun.elapsed() < TIME_MAX + SILENCE_MAX);
        sending.abort();
    }
}
