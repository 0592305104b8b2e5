//! A panic in one request ends that request only.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

/// What is known of a caught panic: the hook has told the rest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// What `future` gives, or the panic it ended with. Nothing of a request outlives it but what was committed
/// to the store, so there is no half-changed state that unwinding could leave behind.
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
