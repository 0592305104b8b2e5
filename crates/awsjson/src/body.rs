//! Takes in a request's body: within its limits, and as JSON.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use ecru_model::{ErrorCode, Operation, json};
use ecru_registry::Error;
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::document::Document;

const BODY_BYTES_MAX: u64 = 1024 * 1024;
/// A part of the largest size in base64, with room for the other members.
const LAYER_PART_BODY_BYTES_MAX: u64 = 28 * 1024 * 1024;
/// A manifest of the largest size with its quotes escaped.
const PUT_IMAGE_BODY_BYTES_MAX: u64 = 9 * 1024 * 1024;
/// Numbers, texts, lists and objects in a body; what is made of one takes many times its byte.
const VALUES_MAX: usize = 100_000;
const IDLE_MAX: Duration = Duration::from_mins(1);

/// Bodies over `BODY_BYTES_MAX` that may be in memory at once; others wait.
pub(crate) const LARGE_BODIES_MAX: usize = 2;
/// A body that is announced larger than a part of 10 MiB in base64 is alone in memory.
const ALONE_FROM_BYTES: u64 = 14 * 1024 * 1024;

/// A whole body, and leave to hold it when it is large.
pub(crate) struct Received<'a> {
    pub(crate) document: Document,
    pub(crate) leave: Option<SemaphorePermit<'a>>,
}

fn bytes_max(operation: Operation) -> u64 {
    match operation {
        Operation::UploadLayerPart => LAYER_PART_BODY_BYTES_MAX,
        Operation::PutImage => PUT_IMAGE_BODY_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    }
}

pub(crate) async fn receive<B>(
    operation: Operation,
    mut body: B,
    large_bodies: &Semaphore,
) -> Result<Received<'_>, Error>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let bytes_max = bytes_max(operation);
    let announced = body.size_hint().lower();
    if announced > bytes_max {
        return Err(too_large(bytes_max));
    }
    let mut received = Received {
        document: Document::new(operation),
        leave: None,
    };
    received.await_leave(announced, large_bodies).await;
    let mut length = 0;
    while let Some(frame) = timeout(IDLE_MAX, body.frame()).await.map_err(|_| idle())? {
        let Ok(data) = frame.map_err(cut)?.into_data() else {
            continue;
        };
        length += data.len() as u64;
        if length > bytes_max {
            return Err(too_large(bytes_max));
        }
        received.await_leave(length, large_bodies).await;
        received.document.push(&data);
    }
    Ok(received)
}

impl<'a> Received<'a> {
    /// Waits for leave before a body grows large; no memory is given in advance to a small one.
    async fn await_leave(&mut self, length: u64, large_bodies: &'a Semaphore) {
        if length > BODY_BYTES_MAX && self.leave.is_none() {
            let alone = length > ALONE_FROM_BYTES;
            let leaves = if alone { LARGE_BODIES_MAX } else { 1 };
            let leaves = u32::try_from(leaves).unwrap_or(u32::MAX);
            self.leave = large_bodies.acquire_many(leaves).await.ok();
            self.document
                .reserve(usize::try_from(length).unwrap_or(usize::MAX));
        }
    }
}

/// The JSON value in `text`, if it is one of bounded depth and size. No body at all is an input without members.
pub(crate) fn parse(text: &[u8]) -> Result<Value, Error> {
    if text.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    if json::nests_deeper_than(text, json::DEPTH_MAX) {
        return Err(unreadable("the body is nested deeper than 64 levels"));
    }
    if json::holds_more_values_than(text, VALUES_MAX) {
        return Err(unreadable("the body holds more than 100000 values"));
    }
    serde_json::from_slice(text).map_err(|cause| unreadable("the body is not JSON").caused_by(cause))
}

fn unreadable(message: &str) -> Error {
    Error::new(ErrorCode::SerializationException, message)
}

fn too_large(bytes_max: u64) -> Error {
    let message = format!("the body is larger than {bytes_max} bytes");
    Error::new(ErrorCode::RequestEntityTooLargeException, message)
}

fn idle() -> Error {
    Error::new(
        ErrorCode::RequestTimeoutException,
        "no byte of the body arrived for 60 seconds",
    )
}

fn cut<E: Into<Box<dyn StdError + Send + Sync>>>(cause: E) -> Error {
    Error::new(
        ErrorCode::MalformedHttpRequestException,
        "the body ended early or is malformed",
    )
    .caused_by(cause)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use http_body::{Frame, SizeHint};

    use super::*;

    /// A body in pieces, of which a missing one never comes.
    struct Pieces {
        announced: u64,
        pieces: VecDeque<Option<Result<Bytes, io::Error>>>,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            match self.pieces.pop_front() {
                None => Poll::Ready(None),
                Some(None) => {
                    self.pieces.push_front(None);
                    Poll::Pending
                }
                Some(Some(piece)) => Poll::Ready(Some(piece.map(Frame::data))),
            }
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(self.announced);
            hint
        }
    }

    fn zeros(count: u64, bytes: usize) -> Pieces {
        let piece = || Some(Ok(Bytes::from(vec![0; bytes])));
        Pieces {
            announced: 0,
            pieces: (0..count).map(|_| piece()).collect(),
        }
    }

    async fn outcome(operation: Operation, body: Pieces) -> Result<usize, ErrorCode> {
        let large_bodies = Semaphore::new(LARGE_BODIES_MAX);
        let received = receive(operation, body, &large_bodies).await;
        received
            .map(|received| received.document.text.len())
            .map_err(|error| error.code)
    }

    #[tokio::test]
    async fn each_operation_has_its_limit() {
        let mebibyte = 1024 * 1024;
        let cases = [
            (Operation::ListImages, 1),
            (Operation::PutImage, 9),
            (Operation::UploadLayerPart, 28),
        ];
        for (operation, mebibytes) in cases {
            let whole = zeros(mebibytes, mebibyte);
            assert_eq!(
                outcome(operation, whole).await,
                Ok(usize::try_from(mebibytes).unwrap() * mebibyte)
            );
            let mut longer = zeros(mebibytes, mebibyte);
            longer.pieces.push_back(Some(Ok(Bytes::from_static(b"0"))));
            assert_eq!(
                outcome(operation, longer).await,
                Err(ErrorCode::RequestEntityTooLargeException)
            );
        }
    }

    #[tokio::test]
    async fn a_body_announced_too_large_is_refused_before_a_byte_of_it() {
        let body = Pieces {
            announced: BODY_BYTES_MAX + 1,
            pieces: VecDeque::from([None]),
        };
        let refused = outcome(Operation::ListImages, body).await;
        assert_eq!(refused, Err(ErrorCode::RequestEntityTooLargeException));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_dropped() {
        let body = Pieces {
            announced: 8,
            pieces: VecDeque::from([Some(Ok(Bytes::from_static(b"{"))), None]),
        };
        let refused = outcome(Operation::ListImages, body).await;
        assert_eq!(refused, Err(ErrorCode::RequestTimeoutException));
    }

    #[tokio::test]
    async fn a_body_that_is_cut_is_malformed() {
        let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
        let body = Pieces {
            announced: 0,
            pieces: VecDeque::from([Some(Err(cut))]),
        };
        let refused = outcome(Operation::ListImages, body).await;
        assert_eq!(refused, Err(ErrorCode::MalformedHttpRequestException));
    }

    #[tokio::test(start_paused = true)]
    async fn a_very_large_body_waits_until_it_is_alone() {
        let large_bodies = Semaphore::new(LARGE_BODIES_MAX);
        let announced = |announced| Pieces {
            announced,
            ..zeros(1, 1024)
        };
        let part = |length| receive(Operation::UploadLayerPart, announced(length), &large_bodies);
        let first = part(ALONE_FROM_BYTES).await.ok().unwrap();
        assert!(
            timeout(Duration::from_mins(5), part(ALONE_FROM_BYTES + 1))
                .await
                .is_err()
        );
        assert!(part(ALONE_FROM_BYTES).await.is_ok());
        drop(first);
        let alone = part(ALONE_FROM_BYTES + 1).await.ok().unwrap();
        assert!(
            timeout(Duration::from_mins(5), part(ALONE_FROM_BYTES))
                .await
                .is_err()
        );
        drop(alone);
    }

    #[tokio::test(start_paused = true)]
    async fn a_third_large_body_waits_until_one_is_let_go() {
        let large_bodies = Semaphore::new(LARGE_BODIES_MAX);
        let large = || receive(Operation::PutImage, zeros(2, 1024 * 1024), &large_bodies);
        let (first, second) = (large().await.ok().unwrap(), large().await.ok().unwrap());
        let waiting = timeout(Duration::from_mins(5), large()).await;
        assert!(waiting.is_err());
        let small = receive(Operation::PutImage, zeros(1, 1024), &large_bodies).await;
        assert_eq!(small.map(|small| small.document.text.len()).ok(), Some(1024));
        drop(first);
        assert!(large().await.is_ok());
        drop(second);
    }
}
