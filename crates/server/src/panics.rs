//! A panic in one request ends only that request.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

/// A caught panic. The panic hook has already logged it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Returns the output of `future`, or the panic that ended it. A request leaves nothing behind except its
/// commits to the store, so unwinding cannot leave a half-changed state.
pub(crate) async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Panicked> {
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => Poll::Ready(Err(Panicked)),
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_panic_after_a_wait_is_an_outcome() {
        let panicking = pin!(async {
            tokio::task::yield_now().await;
            assert_eq!(std::hint::black_box(1), 2, "a panic");
        });
        assert_eq!(caught(panicking).await, Err(Panicked));
    }
}
