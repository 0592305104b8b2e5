//! Takes in a request's body: within its limits, and as JSON.

use std::{error::Error as StdError, time::Duration};

use bytes::{Buf, Bytes};
use ecru_model::{ErrorCode, Operation, json};
use ecru_registry::Error;
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

const BODY_BYTES_MAX: u64 = 1024 * 1024;
/// A part of the largest size in base64, with room for the other members.
const LAYER_PART_BODY_BYTES_MAX: u64 = 28 * 1024 * 1024;
/// A manifest of the largest size with its quotes escaped.
const PUT_IMAGE_BODY_BYTES_MAX: u64 = 9 * 1024 * 1024;
/// Numbers, texts, lists and objects in a body; what is made of one takes many times its byte.
const VALUES_MAX: usize = 100_000;
const IDLE_MAX: Duration = Duration::from_mins(1);
const FIRST_RESERVE_BYTES: u64 = 16 * 1024;

/// Bodies over `BODY_BYTES_MAX` that may be in memory at once, in the whole process; others wait.
static LARGE_BODIES: Semaphore = Semaphore::const_new(2);

/// A whole body, and leave to hold it when it is large.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) leave: Option<SemaphorePermit<'static>>,
}

fn bytes_max(operation: Operation) -> u64 {
    match operation {
        Operation::UploadLayerPart => LAYER_PART_BODY_BYTES_MAX,
        Operation::PutImage => PUT_IMAGE_BODY_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    }
}

pub(crate) async fn receive<B>(operation: Operation, mut body: B) -> Result<Received, Error>
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
        bytes: Vec::new(),
        leave: None,
    };
    received.reserve(announced).await;
    while let Some(frame) = timeout(IDLE_MAX, body.frame()).await.map_err(|_| idle())? {
        let Ok(data) = frame.map_err(cut)?.into_data() else {
            continue;
        };
        let length = (received.bytes.len() + data.remaining()) as u64;
        if length > bytes_max {
            return Err(too_large(bytes_max));
        }
        received.reserve(length).await;
        received.bytes.extend_from_slice(&data);
    }
    Ok(received)
}

impl Received {
    /// Waits for leave before a body grows large; a small one is trusted with little memory in advance.
    async fn reserve(&mut self, length: u64) {
        if length > BODY_BYTES_MAX && self.leave.is_none() {
            self.leave = LARGE_BODIES.acquire().await.ok();
        }
        let wanted = if self.leave.is_some() {
            length
        } else {
            length.min(FIRST_RESERVE_BYTES)
        };
        let more = usize::try_from(wanted)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.bytes.len());
        self.bytes.reserve(more);
    }
}

/// The JSON document in `body`, if it is one of bounded depth and size.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Error> {
    if json::nests_deeper_than(body, json::DEPTH_MAX) {
        return Err(unreadable("the body is nested deeper than 64 levels"));
    }
    if json::holds_more_values_than(body, VALUES_MAX) {
        return Err(unreadable("the body holds more than 100000 values"));
    }
    serde_json::from_slice(body).map_err(|cause| unreadable("the body is not JSON").caused_by(cause))
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
