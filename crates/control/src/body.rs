//! The body of a request: small, and counted with all bodies that are held whole.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use ecru_platform::{BodyBudget, HeldBody};
use http::StatusCode;
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The values of a body take several times its size.
const MADE_FACTOR: usize = 8;

const TOO_LONG: Problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB");

/// The type of a route's body.
pub(crate) trait Body: DeserializeOwned {
    const IS_TAKEN: bool = true;
    /// Describes the body to a client that sent another one.
    const SHAPE: &'static str;

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(bytes).map_err(Self::refusal)
    }

    fn refusal(error: serde_json::Error) -> Problem {
        Problem::bad_request(format!("the body cannot be read: {error}; {}", Self::SHAPE))
    }
}

/// For routes that read no body, whatever the client sends.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NoBody {}

impl Body for NoBody {
    const IS_TAKEN: bool = false;
    const SHAPE: &'static str = "no body is read";

    fn read(_: &[u8]) -> Result<Self, Problem> {
        Ok(Self {})
    }
}

/// A body, and its reserved memory.
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) held: HeldBody,
}

pub(crate) async fn receive<B>(body: &mut B, budget: &BodyBudget) -> Result<Received, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(TOO_LONG);
    }
    let mut held = budget.body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = held.next(body.frame()).await? {
        let Ok(data) = frame
            .map_err(|_| Problem::bad_request("the body ended early or is malformed"))?
            .into_data()
        else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > BODY_BYTES_MAX {
            return Err(TOO_LONG);
        }
        held.arrived(data.len());
        held.grow_to(length).await?;
        // Memory is not reserved for bytes that are only declared.
        bytes.extend_from_slice(&data);
    }
    held.grow_to(MADE_FACTOR * bytes.len()).await?;
    Ok(Received {
        bytes: bytes.freeze(),
        held,
    })
}
