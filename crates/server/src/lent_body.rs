//! Lends a request's body to its handler. The unread rest is then read or ends the connection.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::lingering::{BYTES_MAX, SILENCE_MAX, TIME_MAX};

/// A rest up to this size may already be on its way. It is read, and the connection continues.
const REST_BYTES_MAX: usize = 64 * 1024;
const REST_TIME_MAX: Duration = Duration::from_millis(20);

pub(crate) struct LentBody<B: Body> {
    body: Option<B>,
    /// `None` for an empty body.
    rest: Option<Rest<B>>,
}

pub(crate) struct Rest<B>(Arc<Mutex<Option<B>>>);

impl<B: Body> LentBody<B> {
    /// Returns a body and a handle to its unread rest. An empty body has no rest.
    pub(crate) fn with_rest(body: B) -> (LentBody<B>, Option<Rest<B>>) {
        let rest = (!body.is_end_stream()).then(Arc::default);
        let lent = LentBody {
            body: Some(body),
            rest: rest.clone().map(Rest),
        };
        (lent, rest.map(Rest))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Rest<B> {
    /// Reads and drops the rest while the client sends, within the bounds of a lingering HTTP/1.1 connection.
    /// An HTTP/2 stream that is dropped before its end is reset, and some clients treat a reset as a failure
    /// although the answer was whole.
    pub(crate) async fn drop_what_comes(self) {
        let rest = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = rest else { return };
        let reading = async {
            let mut left = BYTES_MAX;
            while let Ok(Some(Ok(frame))) = timeout(SILENCE_MAX, body.frame()).await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        };
        // A stream whose client sends for longer is reset.
        let _ = timeout(TIME_MAX, reading).await;
    }

    /// Whether the body is at its end, possibly after reading the bytes that have arrived.
    pub(crate) async fn ends(self, may_be_read: bool) -> bool {
        let rest = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = rest else {
            return true;
        };
        if !may_be_read || body.size_hint().lower() > REST_BYTES_MAX as u64 {
            return false;
        }
        let reading = async {
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                read += frame.map_or(REST_BYTES_MAX, |frame| frame.data_ref().map_or(0, Bytes::len));
                if read >= REST_BYTES_MAX {
                    return body.is_end_stream();
                }
            }
            true
        };
        timeout(REST_TIME_MAX, reading).await.unwrap_or(false)
    }
}

impl<B: Body + Unpin> Body for LentBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body> Drop for LentBody<B> {
    fn drop(&mut self) {
        let body = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(rest)) = (body, &self.rest) {
            *rest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;
    use tokio::time::Instant;

    use super::*;

    fn full(length: usize) -> Full<Bytes> {
        Full::new(Bytes::from(vec![7; length]))
    }

    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_small_rest_is_read_and_a_large_one_is_not() {
        for (length, may_be_read, ends) in [
            (REST_BYTES_MAX, true, true),
            (REST_BYTES_MAX + 1, true, false),
            (1, false, false),
        ] {
            let (lent, rest) = LentBody::with_rest(full(length));
            drop(lent);
            assert_eq!(rest.unwrap().ends(may_be_read).await, ends, "{length}");
        }
    }

    #[tokio::test]
    async fn a_body_that_was_read_has_no_rest() {
        let (lent, rest) = LentBody::with_rest(full(100_000));
        assert_eq!(lent.collect().await.unwrap().to_bytes().len(), 100_000);
        assert!(rest.unwrap().ends(false).await);
        assert!(LentBody::with_rest(full(0)).1.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_rest_is_waited_for_briefly() {
        let (lent, rest) = LentBody::with_rest(Silent);
        drop(lent);
        let begun = Instant::now();
        assert!(!rest.unwrap().ends(true).await);
        assert_eq!(begun.elapsed(), REST_TIME_MAX);
    }
}
