//! HTTP itself: hosts, lengths, header sizes, browsers, TLS on a plain port.

use crate::client::{Running, start};

const DOORS: [&str; 3] = ["GET /v2/", "POST /", "GET /_ecru/repositories"];

/// Sends a request with these header lines to each API.
async fn statuses(server: &Running, headers: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for door in DOORS {
        statuses.push(
            server
                .ask(&format!("{door} HTTP/1.1\r\n{headers}\r\n"))
                .await
                .status,
        );
    }
    statuses
}

#[tokio::test]
async fn a_request_names_its_host_exactly_once() {
    let server = start().await;
    for headers in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: \r\n",
        "Host: a b\r\n",
        "Host: u@a\r\n",
        "Host: a:0\r\n",
    ] {
        assert_eq!(statuses(&server, headers).await, [400; 3], "{headers:?}");
    }
    let old = server
        .ask("GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n")
        .await;
    assert_eq!(old.status, 400);
}

#[tokio::test]
async fn http_1_0_without_a_host_is_answered_with_the_address_it_came_to() {
    let server = start().await;
    for check in ["GET /healthz", "GET /readyz", "OPTIONS /", "HEAD /", "OPTIONS *"] {
        for host in ["", "Host: \r\n"] {
            let answer = server.ask(&format!("{check} HTTP/1.0\r\n{host}\r\n")).await;
            assert!(matches!(answer.status, 200 | 204), "{check} {}", answer.status);
        }
    }
    let challenged = server.ask("GET /v2/ HTTP/1.0\r\n\r\n").await;
    let challenge = format!(
        "Basic realm=\"http://{}/\",service=\"ecr.amazonaws.com\"",
        server.address()
    );
    assert_eq!(
        (challenged.status, challenged.header("www-authenticate")),
        (401, Some(challenge.as_str()))
    );
    let begun = server
        .ask("POST /v2/demo/blobs/uploads/ HTTP/1.0\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n\r\n")
        .await;
    assert_eq!(begun.status, 404);
}

#[tokio::test]
async fn a_host_that_somebody_else_may_own_is_refused_to_every_client_at_every_door() {
    let server = start().await;
    for agent in ["", "User-Agent: Mozilla/5.0\r\n", "User-Agent: aws-cli/2\r\n"] {
        for host in [
            "evil.com",
            "evil.com:4566",
            "000000000000.dkr.ecr.us-east-1.evil.com",
        ] {
            let headers = format!("Host: {host}\r\n{agent}");
            assert_eq!(statuses(&server, &headers).await, [403; 3], "{headers:?}");
            let health = format!("GET /healthz HTTP/1.1\r\n{headers}\r\n");
            assert_eq!(server.ask(&health).await.status, 403);
        }
    }
    let ask = |line: &str| format!("{line} HTTP/1.1\r\nHost: evil.com:4566\r\n\r\n");
    let oci = server.ask(&ask("GET /v2/")).await.json();
    assert_eq!(oci["errors"][0]["code"], "DENIED");
    let aws = server.ask(&ask("POST /")).await.json();
    assert_eq!(aws["__type"], "AccessDeniedException");
    let own = server.ask(&ask("GET /_ecru/repositories")).await.json();
    for message in [&oci["errors"][0]["message"], &aws["message"], &own["message"]] {
        let message = message.as_str().expect("a sentence");
        assert!(message.contains("--allow-host evil.com`"), "{message}");
    }
}

#[tokio::test]
async fn programs_come_by_the_names_of_their_network() {
    let server = start().await;
    for host in [
        "ecru:4566",
        "192.0.2.7:80",
        "ecru.svc",
        "host.docker.internal:4566",
        "000000000000.dkr.ecr.us-gov-west-1.amazonaws.com",
        "api.ecr.us-east-1.amazonaws.com",
    ] {
        // Node's `fetch` sends these headers.
        let headers = format!("Host: {host}\r\nSec-Fetch-Mode: cors\r\nUser-Agent: node\r\n");
        assert_eq!(statuses(&server, &headers).await, [401, 400, 200], "{host}");
    }
    let allowing = crate::client::start_with(|options| {
        options.allowed_hosts = vec!["*.corp.com".parse().expect("a pattern")];
    })
    .await;
    assert_eq!(
        statuses(&allowing, "Host: registry.corp.com\r\n").await,
        [401, 400, 200]
    );
    assert_eq!(statuses(&allowing, "Host: corp.com\r\n").await, [403; 3]);
}

#[tokio::test]
async fn a_path_of_the_registry_with_a_slash_too_many_is_refused_as_the_registry_does() {
    let server = start().await;
    for path in ["//v2/", "//v2/demo/manifests/latest", "///v2/_catalog", "//v2"] {
        let enter = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        let anonymous = server.ask(&format!("{enter}\r\n")).await;
        assert_eq!(anonymous.status, 401, "{path}");
        let entered = server
            .ask(&format!("{enter}Authorization: Basic dGVzdDp0ZXN0\r\n\r\n"))
            .await;
        assert_eq!(entered.status, 404, "{path}");
        assert_eq!(entered.json()["errors"][0]["code"], "UNSUPPORTED", "{path}");
    }
}

#[tokio::test]
async fn a_refusal_has_the_shape_of_its_door() {
    let server = start().await;
    let aws = server.ask("POST / HTTP/1.1\r\n\r\n").await;
    assert!(aws.json().get("__type").is_some() && aws.header("x-amzn-requestid").is_some());
    let oci = server.ask("GET /v2/ HTTP/1.1\r\n\r\n").await;
    assert!(oci.json().pointer("/errors/0/code").is_some());
    assert_eq!(
        oci.header("docker-distribution-api-version"),
        Some("registry/2.0")
    );
}

#[tokio::test]
async fn a_page_of_another_site_is_refused_at_every_door_and_told_nothing_by_cors() {
    let server = start().await;
    for headers in [
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: ecru\r\nOrigin: http://ecru:3000\r\n",
    ] {
        assert_eq!(statuses(&server, headers).await, [403; 3], "{headers:?}");
    }

    let preflight = "OPTIONS /v2/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\
                     Access-Control-Request-Method: PUT\r\n\r\n";
    let answer = server.ask(preflight).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("access-control-"))
    );
}

#[tokio::test]
async fn a_browser_on_the_servers_own_page_is_let_in() {
    let server = start().await;
    let authority = server.address();
    let own = format!("Host: {authority}\r\nOrigin: http://{authority}\r\nUser-Agent: Mozilla/5.0\r\n");
    assert_eq!(
        server
            .ask(&format!("GET /healthz HTTP/1.1\r\n{own}\r\n"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_length_beside_chunks_is_passed_over_and_ends_the_connection() {
    let server = start().await;
    let mut client = server.connect().await;
    let smuggled = "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(smuggled).await;
    let answer = client.answer(false).await;
    assert_eq!((answer.status, answer.header("connection")), (405, Some("close")));
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_the_connection_closed() {
    let server = start().await;
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        assert_eq!(client.answer(false).await.status, 400, "{request:?}");
        assert_eq!(client.rest().await, b"", "{request:?}");
    }
}

#[tokio::test]
async fn a_header_block_over_its_limit_is_refused() {
    let server = start().await;
    let with = |bytes: usize| {
        format!(
            "GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    assert_eq!(server.ask(&with(60 * 1024)).await.status, 200);
    assert_eq!(server.ask(&with(65 * 1024)).await.status, 431);
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let server = start().await;
    let mut client = server.connect().await;
    let paths = ["/healthz", "/nothing", "/readyz", "/nothing"];
    client
        .send(
            paths
                .map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
                .concat(),
        )
        .await;
    for expected in [200, 404, 200, 404] {
        assert_eq!(client.answer(false).await.status, expected);
    }
}

#[tokio::test]
async fn a_tls_greeting_on_a_plain_port_is_told_so_at_once() {
    let server = start().await;
    let mut client = server.connect().await;
    client.send([0x16, 3, 1, 2, 0, 1, 0, 1]).await;
    let said = client.rest().await;
    assert!(said.starts_with(b"HTTP/1.1 400 "), "{said:?}");
}
