//! Health, the page, and paths of no API.

use serde_json::json;

use crate::client::start;

#[tokio::test]
async fn a_running_server_is_alive_ready_and_known_to_helpers_for_localstack() {
    let server = start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let health = server.get("/_localstack/health").await;
    assert_eq!(
        health.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let states = health.json().get("services").cloned().unwrap_or_default();
    for service in ["ecr", "sts"] {
        assert_eq!(states.get(service), Some(&json!("running")), "{service}");
    }
    assert_eq!(
        health.json().get("version"),
        Some(&json!(env!("CARGO_PKG_VERSION")))
    );
}

#[tokio::test]
async fn a_server_whose_store_takes_no_writes_is_alive_but_not_ready() {
    let server = start().await;
    server.server.service().store.close().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn the_page_lets_nothing_else_run_in_it() {
    let page = start().await.get("/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
}

#[tokio::test]
async fn an_unknown_path_is_not_found_and_says_so_in_json() {
    let server = start().await;
    for path in [
        "/nothing",
        "/v3/",
        "/v22",
        "/healthz/",
        "/_ecru",
        "//",
        "/%2e%2e/",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json().get("message").is_some(), "{path}");
    }
}

#[tokio::test]
async fn a_head_is_answered_as_its_get_without_the_body() {
    let server = start().await;
    let whole = server.get("/healthz").await;
    let head = server
        .ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), whole.header("content-length"));

    let refused = server
        .ask("DELETE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
}
