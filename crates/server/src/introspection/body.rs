//! The body of a request that sets something: small, and soon there.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use super::Problem;

const BODY_BYTES_MAX: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn receive<B>(body: &mut B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    const BROKEN: Problem = Problem::BadRequest("the body is longer than 1 MiB, or did not come");
    let received = timeout(PATIENCE, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match received {
        Ok(Ok(received)) => Ok(received.to_bytes()),
        _ => Err(BROKEN),
    }
}
