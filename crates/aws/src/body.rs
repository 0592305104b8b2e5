//! Receives a request body within the limits of its size and of the memory for all bodies.

use std::error::Error as StdError;

use bytes::Bytes;
use ecru_model::json;
use ecru_platform::wire::{OperationFacts, ProtocolName, ServiceError};
use ecru_platform::{BodyBudget, BodyRefused, HeldBody};
use http_body::Body;
use http_body_util::BodyExt;

use crate::{
    codes::{self, Codes},
    document::Document,
    form,
};

/// A body of this size gets its memory in one allocation.
const LARGE_BYTES: u64 = 1024 * 1024;
/// At most one body whose announced size exceeds this value is in memory at a time. The value is a layer part
/// of 10 MiB, the size that ECR asks for, in base64.
const ALONE_FROM_BYTES: u64 = 14 * 1024 * 1024;
/// Maximum number of JSON values (numbers, texts, lists and objects) in a body. No operation takes that many.
pub(crate) const VALUES_MAX: usize = 20_000;
/// Bytes of memory for a parsed value. An object with one member takes 640 bytes and counts as two values.
const VALUE_BYTES: usize = 320;
/// For bodies up to this size, the memory of the parsed values is not counted, and parsing does not wait for
/// other bodies.
const SMALL_BYTES: usize = 16 * 1024;

/// A whole body, and the memory that is reserved for it.
pub(crate) struct Received {
    pub(crate) document: Document,
    pub(crate) held: HeldBody,
}

/// The limits of a body, and the codes of its errors.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes_max: u64,
    /// The member whose base64 is decoded while it arrives.
    pub(crate) streamed: Option<&'static str>,
    pub(crate) is_form: bool,
    pub(crate) codes: &'static Codes,
}

impl Limits {
    pub(crate) fn of(operation: &OperationFacts, protocol: ProtocolName) -> Self {
        Self {
            bytes_max: operation.body_bytes_max,
            streamed: operation.streamed,
            is_form: protocol == ProtocolName::Query,
            codes: codes::of(protocol),
        }
    }
}

pub(crate) async fn receive<B>(
    limits: Limits,
    mut body: B,
    budget: &BodyBudget,
) -> Result<Received, ServiceError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let Limits { bytes_max, codes, .. } = limits;
    let announced = body.size_hint().lower();
    if announced > bytes_max {
        return Err(too_large(codes, bytes_max));
    }
    let mut document = Document::new(limits.streamed);
    let mut held = budget.body();
    let mut length = 0;
    while let Some(frame) = held
        .next(body.frame())
        .await
        .map_err(|reason| refused(codes, reason))?
    {
        let Ok(data) = frame.map_err(|cause| cut(codes, cause))?.into_data() else {
            continue;
        };
        let was_small = length <= LARGE_BYTES;
        length += data.len() as u64;
        if length > bytes_max {
            return Err(too_large(codes, bytes_max));
        }
        let grows_large = was_small && length > LARGE_BYTES;
        if announced > ALONE_FROM_BYTES && whole(length) > SMALL_BYTES {
            held.lead();
        }
        held.arrived(data.len());
        held.grow_to(whole(length))
            .await
            .map_err(|reason| refused(codes, reason))?;
        // A small body grows without a reservation.
        if grows_large {
            document.reserve(whole(length.max(announced)));
        }
        document.push(&data);
    }
    if document.text.len() > SMALL_BYTES {
        // Parsing copies the text into values while the text is still in memory.
        let made = document.text.len() + bytes_of_values(&document.text, limits.is_form);
        held.grow_to(whole(length) + made)
            .await
            .map_err(|reason| refused(codes, reason))?;
    }
    Ok(Received { document, held })
}

fn whole(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// An upper bound of the memory that the parsed values take.
fn bytes_of_values(text: &[u8], is_form: bool) -> usize {
    if !is_form {
        return json::values_at_most(text, VALUES_MAX) * VALUE_BYTES;
    }
    // A percent sign may begin an escaped dot.
    let marks = text.iter().filter(|byte| matches!(byte, b'&' | b'.' | b'%'));
    form::STEPS_MAX.min(marks.count() + 1) * form::STEP_BYTES
}

fn too_large(codes: &'static Codes, bytes_max: u64) -> ServiceError {
    let message = format!("the body is larger than {bytes_max} bytes");
    ServiceError::new(&codes.too_large, message)
}

fn refused(codes: &'static Codes, refused: BodyRefused) -> ServiceError {
    let (code, message) = match refused {
        BodyRefused::Silent => (&codes.timeout, "no byte of the body arrived for 60 seconds"),
        BodyRefused::Slow => (
            &codes.timeout,
            "the body arrived at less than 64 KiB a second while others waited",
        ),
        BodyRefused::Crowded => (
            &codes.unavailable,
            "other bodies took all memory that is set aside for bodies: try again",
        ),
    };
    ServiceError::new(code, message)
}

fn cut<E: Into<Box<dyn StdError + Send + Sync>>>(codes: &'static Codes, cause: E) -> ServiceError {
    ServiceError::new(&codes.malformed_http, "the body ended early or is malformed").caused_by(cause)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use ecru_registry::generated::service::FACTS;
    use http_body::{Frame, SizeHint};
    use tokio::time::{Duration, Instant, timeout};

    use super::*;

    /// A body in pieces. The body stays pending at a missing piece.
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

    /// The limits of an ECR operation.
    fn limits(operation: &str) -> Limits {
        let operation = &FACTS.operations[FACTS.find(operation).unwrap()];
        Limits::of(operation, ProtocolName::Json)
    }

    async fn outcome(operation: &str, body: Pieces) -> Result<usize, &'static str> {
        let received = receive(limits(operation), body, &BodyBudget::default()).await;
        received
            .map(|received| received.document.text.len())
            .map_err(|error| error.code.name)
    }

    #[tokio::test]
    async fn each_operation_has_its_limit() {
        let mebibyte = 1024 * 1024;
        let cases = [("ListImages", 1), ("PutImage", 9), ("UploadLayerPart", 28)];
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
                Err("RequestEntityTooLargeException")
            );
        }
    }

    #[tokio::test]
    async fn a_body_announced_too_large_is_refused_before_a_byte_of_it() {
        let body = Pieces {
            announced: LARGE_BYTES + 1,
            pieces: VecDeque::from([None]),
        };
        let refused = outcome("ListImages", body).await;
        assert_eq!(refused, Err("RequestEntityTooLargeException"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_dropped() {
        let body = Pieces {
            announced: 8,
            pieces: VecDeque::from([Some(Ok(Bytes::from_static(b"{"))), None]),
        };
        let refused = outcome("ListImages", body).await;
        assert_eq!(refused, Err("RequestTimeoutException"));
    }

    #[tokio::test]
    async fn a_body_that_is_cut_is_malformed() {
        let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
        let body = Pieces {
            announced: 0,
            pieces: VecDeque::from([Some(Err(cut))]),
        };
        let refused = outcome("ListImages", body).await;
        assert_eq!(refused, Err("MalformedHttpRequestException"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_announced_length_takes_no_memory_from_others() {
        let budget = BodyBudget::default();
        let silent = || Pieces {
            announced: 27 * 1024 * 1024,
            pieces: VecDeque::from([Some(Ok(Bytes::from_static(b"{"))), None]),
        };
        let silent = (0..10).map(|_| receive(limits("UploadLayerPart"), silent(), &budget));
        let mut silent: Vec<_> = silent.map(Box::pin).collect();
        for silent in &mut silent {
            assert!(timeout(Duration::from_millis(1), silent).await.is_err());
        }
        let begun = Instant::now();
        let large = receive(limits("UploadLayerPart"), zeros(27, 1024 * 1024), &budget).await;
        assert!(large.is_ok() && begun.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_very_large_body_waits_for_another_and_smaller_ones_do_not() {
        let budget = BodyBudget::default();
        let part = |mebibytes: u64| {
            let part = Pieces {
                announced: mebibytes << 20,
                ..zeros(mebibytes, 1 << 20)
            };
            receive(limits("UploadLayerPart"), part, &budget)
        };
        let first = part(20).await.ok().unwrap();
        assert!(timeout(Duration::from_secs(20), part(20)).await.is_err());
        let smaller = part(10).await.ok().unwrap();
        let small = receive(limits("PutImage"), zeros(1, 1024), &budget).await;
        assert_eq!(small.map(|small| small.document.text.len()).ok(), Some(1024));
        drop(first);
        assert!(part(20).await.is_ok());
        drop(smaller);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_for_which_there_is_no_memory_is_refused_as_unavailable() {
        let budget = BodyBudget::default();
        let large = || receive(limits("UploadLayerPart"), zeros(28, 1024 * 1024), &budget);
        let _held = (large().await.ok().unwrap(), large().await.ok().unwrap());
        let refused = large().await.err().map(|error| error.code.name);
        assert_eq!(refused, Some("ServiceUnavailable"));
    }
}
