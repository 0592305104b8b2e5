//! The body of a control request: small, and counted with all bodies that are held whole.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use ecru_platform::{BodyBudget, HeldBody};
use http_body::Body;
use http_body_util::BodyExt;

use super::Problem;

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The JSON value of a body takes several times its size.
const MADE_FACTOR: usize = 8;

/// A body, and its reserved memory.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) held: HeldBody,
}

pub(super) async fn receive<B>(body: &mut B, budget: &BodyBudget) -> Result<Received, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(Problem::TooLong);
    }
    let mut held = budget.body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = held.next(body.frame()).await.map_err(Problem::Body)? {
        let Ok(data) = frame
            .map_err(|_| Problem::BadRequest("the body ended early or is malformed"))?
            .into_data()
        else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > BODY_BYTES_MAX {
            return Err(Problem::TooLong);
        }
        held.arrived(data.len());
        held.grow_to(length).await.map_err(Problem::Body)?;
        // Memory is not reserved for bytes that are only declared.
        bytes.extend_from_slice(&data);
    }
    held.grow_to(MADE_FACTOR * bytes.len())
        .await
        .map_err(Problem::Body)?;
    Ok(Received {
        bytes: bytes.freeze(),
        held,
    })
}
