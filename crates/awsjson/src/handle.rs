//! One request from its headers to its answer.

use std::{
    error::Error as StdError,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use ecru_model::{ErrorCode, Operation, TARGET_PREFIX};
use ecru_registry::{Context, Endpoint, Error, Service};
use http::{HeaderMap, Method, Request, Response, header, request::Parts};
use http_body::Body;
use uuid::Uuid;

use crate::{ErrorNames, answer, body, credentials, generated::dispatch::dispatch};

const TARGET: &str = "x-amz-target";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

static REQUEST_IDS: LazyLock<RequestIds> = LazyLock::new(RequestIds::default);

/// Ids that are unlike one another and unlike those of other processes. They are no secrets, so that the system need not
/// be asked for randomness with every request.
#[derive(Default)]
struct RequestIds {
    keys: [RandomState; 2],
    count: AtomicU64,
}

impl RequestIds {
    fn next(&self) -> Uuid {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let [high, low] = self.keys.each_ref().map(|key| u128::from(key.hash_one(number)));
        uuid::Builder::from_random_bytes((high << 64 | low).to_be_bytes()).into_uuid()
    }
}

/// Where a request came to, and how its errors are named.
#[derive(Clone, Debug)]
pub struct Origin {
    pub endpoint: Endpoint,
    /// The address of the client.
    pub source: IpAddr,
    pub error_names: ErrorNames,
}

/// Answers every request; the `Operation` is among the answer's extensions where the target named one.
pub async fn handle<B>(service: &Arc<Service>, request: Request<B>, origin: Origin) -> Response<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let request_id = REQUEST_IDS.next();
    let (parts, body) = request.into_parts();
    let operation = target(&parts);
    let known = operation.as_ref().ok().copied();
    let result = match operation {
        Ok(operation) => operate(service, operation, &parts, body, &origin).await,
        Err(error) => Err(error),
    };
    let mut response = match result {
        Ok(output) => answer::success(&request_id, output),
        Err(error) => answer::failure(&request_id, &error, origin.error_names),
    };
    response
        .extensions_mut()
        .extend(known.map(extension).unwrap_or_default());
    response
}

fn extension(operation: Operation) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    extensions.insert(operation);
    extensions
}

fn target(parts: &Parts) -> Result<Operation, Error> {
    let target = parts
        .headers
        .get(TARGET)
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let name = target
        .strip_prefix(TARGET_PREFIX)
        .and_then(|rest| rest.strip_prefix('.'));
    match name.and_then(Operation::from_name) {
        Some(operation) if parts.method == Method::POST => Ok(operation),
        _ => Err(unknown_operation("the target names no operation of this service")),
    }
}

async fn operate<B>(
    service: &Arc<Service>,
    operation: Operation,
    parts: &Parts,
    body: B,
    origin: &Origin,
) -> Result<Vec<u8>, Error>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let credentials = credentials::find(&parts.headers, &parts.uri)?;
    check_content(&parts.headers)?;
    let received = body::receive(operation, body, &service.bodies).await?;
    let endpoint = origin.endpoint.clone();
    let mut ctx = Context::signed(service, &credentials.access_key_id, credentials.region, endpoint);
    ctx.source = Some(origin.source);
    let output = dispatch(&ctx, operation, received.document).await;
    // What was made of the body lives until here.
    drop(received.held);
    output
}

fn check_content(headers: &HeaderMap) -> Result<(), Error> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let media_type = text(header::CONTENT_TYPE)
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case(CONTENT_TYPE) {
        return Err(unknown_operation(
            "the content type must be `application/x-amz-json-1.1`",
        ));
    }
    match text(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.trim().eq_ignore_ascii_case("identity") => {
            let message = "the body must not be encoded: leave out `Content-Encoding`";
            Err(Error::new(ErrorCode::SerializationException, message))
        }
        _ => Ok(()),
    }
}

fn unknown_operation(message: &str) -> Error {
    Error::new(ErrorCode::UnknownOperationException, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_requests_have_the_same_id() {
        let ids = [RequestIds::default(), RequestIds::default()];
        let given = (0..1_000).flat_map(|_| ids.each_ref().map(RequestIds::next));
        let distinct = given.collect::<std::collections::HashSet<_>>();
        assert_eq!(distinct.len(), 2_000);
        assert!(distinct.iter().all(|id| id.get_version_num() == 4));
    }

    #[track_caller]
    fn check_target(method: Method, target: &str, expected: Option<Operation>) {
        let request = Request::builder()
            .method(method)
            .header("X-Amz-Target", target)
            .body(())
            .unwrap();
        assert_eq!(super::target(&request.into_parts().0).ok(), expected, "{target}");
    }

    #[test]
    fn the_target_names_the_operation() {
        for operation in Operation::ALL {
            let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
            check_target(Method::POST, &target, Some(*operation));
            check_target(Method::PUT, &target, None);
        }
    }

    #[test]
    fn other_services_versions_and_names_are_unknown() {
        for target in [
            "",
            "ListImages",
            "AmazonEC2ContainerRegistry_V20150921",
            "AmazonEC2ContainerRegistry_V20150921.",
            "AmazonEC2ContainerRegistry_V20150921.listImages",
            "AmazonEC2ContainerRegistry_V20150921.ListImages ",
            "AmazonEC2ContainerRegistry_V20150921ListImages",
            "AmazonEC2ContainerRegistry_V20160921.ListImages",
        ] {
            check_target(Method::POST, target, None);
        }
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], expected: Option<ErrorCode>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), http::HeaderValue::from_static(value)))
            .collect();
        assert_eq!(
            check_content(&headers).err().map(|error| error.code),
            expected,
            "{headers:?}"
        );
    }

    #[test]
    fn only_plain_json_of_the_protocols_version_is_taken() {
        let unknown = Some(ErrorCode::UnknownOperationException);
        check(&[("content-type", CONTENT_TYPE)], None);
        check(
            &[("content-type", "Application/X-Amz-Json-1.1; charset=utf-8")],
            None,
        );
        check(
            &[("content-type", CONTENT_TYPE), ("content-encoding", "identity")],
            None,
        );
        check(&[], unknown);
        check(&[("content-type", "application/x-amz-json-1.0")], unknown);
        check(&[("content-type", "text/plain")], unknown);
        for encoding in ["gzip", "", "identity, gzip"] {
            check(
                &[("content-type", CONTENT_TYPE), ("content-encoding", encoding)],
                Some(ErrorCode::SerializationException),
            );
        }
    }
}
