//! The server's own paths: health, and a page for browsers.

use bytes::Bytes;
use ecru_store::Health;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    compose::Services,
    refusals::{METHOD_NOT_ALLOWED, NOT_FOUND, json_answer},
    reply::Content,
};

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>ecru</title>\n\
    <h1>ecru</h1>\n<p>A local Amazon ECR is listening here. Its API is at <code>/</code>, its registry at \
    <code>/v2/</code>.</p>\n<p><a href=\"/_ecru/repositories\">Repositories</a> · \
    <a href=\"/_ecru/blobs\">blobs</a> · <a href=\"/readyz\">health</a></p>\n</html>\n";

const METHODS: &str = "GET, HEAD, OPTIONS";
const PAGE_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn answer<B>(services: &Services, request: &Request<B>) -> Response<Content> {
    let answer = match request.uri().path() {
        // `*` addresses the server as a whole, as `OPTIONS` may.
        "/" | "*" => page,
        "/healthz" => alive,
        "/readyz" => ready,
        "/_localstack/health" => localstack,
        _ => return NOT_FOUND.own_answer(),
    };
    match request.method() {
        method if is_read(method) => answer(services),
        // Load balancers treat a server that answers this request as healthy.
        &Method::OPTIONS => methods(),
        _ => not_allowed(METHODS),
    }
}

fn methods() -> Response<Content> {
    let mut response = Response::new(Content::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(METHODS));
    response
}

pub(crate) fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

pub(crate) fn not_allowed(allowed: &'static str) -> Response<Content> {
    let mut response = METHOD_NOT_ALLOWED.own_answer();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn page(_: &Services) -> Response<Content> {
    let mut response = Response::new(Content::from(Bytes::from_static(PAGE.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(PAGE_POLICY),
    );
    response
}

fn alive(_: &Services) -> Response<Content> {
    json_answer(StatusCode::OK, &json!({ "status": "alive" }))
}

fn ready(services: &Services) -> Response<Content> {
    let (status, text) = match services.platform.store.health() {
        Health::Writable => (StatusCode::OK, "ready"),
        Health::ReadOnly => (StatusCode::SERVICE_UNAVAILABLE, "read-only"),
        Health::Closed => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    json_answer(status, &json!({ "status": text }))
}

/// The JSON that helpers for LocalStack wait for.
fn localstack(services: &Services) -> Response<Content> {
    let state = match services.platform.store.health() {
        Health::Writable => "running",
        Health::ReadOnly | Health::Closed => "error",
    };
    let version = env!("CARGO_PKG_VERSION");
    let components = services.control.components.iter();
    let states = components.map(|component| (component.name().to_owned(), state.into()));
    let states: Map<String, Value> = states.collect();
    json_answer(
        StatusCode::OK,
        &json!({ "services": states, "edition": "ecru", "version": version }),
    )
}
