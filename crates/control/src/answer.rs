//! From a request to its answer, by way of the table of routes.

use std::error::Error;

use bytes::Bytes;
use ecru_registry::Endpoint;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;

use crate::call::{Call, Control};
use crate::problem::Problem;
use crate::route::Input;
use crate::routes::{self, Found};
use crate::{body, query};

/// The paths of this API begin so.
const FAMILIES: [&str; 2] = ["/_ecru/", "/_fakecloud/"];

/// `None` for a path that does not belong to this API.
pub async fn answer<B>(
    control: &Control,
    endpoint: &Endpoint,
    request: &mut Request<B>,
) -> Option<Response<Bytes>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let path = request.uri().path();
    if !FAMILIES.iter().any(|family| path.starts_with(family)) {
        return None;
    }
    let call = Call { control, endpoint };
    Some(match answered(call, request).await {
        Ok(body) => json_answer(StatusCode::OK, body),
        Err(problem) => problem.answer(),
    })
}

async fn answered<B>(call: Call<'_>, request: &mut Request<B>) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (route, in_path) = match routes::find(request.method(), request.uri().path()) {
        Found::Route(route, in_path) => (route, in_path),
        Found::OtherMethods(methods) => return Err(Problem::method_not_allowed(&methods)),
        Found::Nothing => return Err(Problem::nothing_here()),
    };
    let query = query::parse(&in_path, request.uri().query().unwrap_or_default())?;
    if !route.takes_body {
        return (route.call)(
            call,
            Input {
                query,
                body: Bytes::new(),
            },
        )
        .await;
    }
    let received = body::receive(request.body_mut(), &call.control.platform.bodies).await?;
    let input = Input {
        query,
        body: received.bytes,
    };
    // The memory of the body is reserved until the answer is complete.
    let _held = received.held;
    (route.call)(call, input).await
}

/// An answer whose body is JSON, and which no browser takes for something else.
pub fn json_answer(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
