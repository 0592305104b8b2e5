//! A panic in one request ends that request only.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// The text of a caught panic.
pub(crate) struct Panicked(pub(crate) String);

/// What `future` gives, or the panic it ended with. Nothing of a request outlives it but what was committed
/// to the store, so there is no half-changed state that unwinding could leave behind.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(Panicked(text(&*payload)))),
        },
    )
    .await
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_after_a_wait_is_given_back_as_its_text() {
        let outcome = caught(async {
            tokio::task::yield_now().await;
            panic!("seven is {}", 7)
        });
        let Err(Panicked(text)) = outcome.await else {
            panic!("the panic got lost")
        };
        assert_eq!(text, "seven is 7");
    }
}
