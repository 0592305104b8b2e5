//! The body of a request to one of these paths: a small JSON document.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use ecru_model::json;
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::Problem;

const BYTES_MAX: usize = 64 * 1024;
const SILENCE_MAX: Duration = Duration::from_mins(1);

pub(super) async fn read<B, T>(body: &mut B) -> Result<T, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    T: DeserializeOwned,
{
    let bytes = gather(body).await?;
    if json::nests_deeper_than(&bytes, json::DEPTH_MAX) {
        return Err(Problem::BadRequest("the body is nested deeper than 64 levels"));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::Refused(
            StatusCode::BAD_REQUEST,
            format!("the body cannot be read: {error}"),
        )
    })
}

async fn gather<B>(body: &mut B) -> Result<Vec<u8>, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    const CUT: Problem = Problem::BadRequest("the body ended before its length");

    let mut bytes = Vec::new();
    loop {
        let Ok(frame) = timeout(SILENCE_MAX, body.frame()).await else {
            let message = "no byte of the body came for 60 seconds".to_owned();
            return Err(Problem::Refused(StatusCode::REQUEST_TIMEOUT, message));
        };
        let Some(frame) = frame else {
            return Ok(bytes);
        };
        let Ok(data) = frame.map_err(|_| CUT)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > BYTES_MAX {
            let message = format!("the body is longer than {BYTES_MAX} bytes");
            return Err(Problem::Refused(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        bytes.extend_from_slice(&data);
    }
}
