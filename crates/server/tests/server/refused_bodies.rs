//! Requests that are refused before their body is read: the client can read the reason, even while it sends.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::client::{Client, Running, start};
use crate::introspection::create;

const USER: &str = "Authorization: Basic dGVzdDp0ZXN0\r\n";
/// Longer than a busy machine needs for an answer, and shorter than a server that waits for the body needs.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A request for each API and each reason, without the headers of its body.
fn refused() -> Vec<(String, u16)> {
    let target = "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.PutImage\r\n";
    let json = "Content-Type: application/x-amz-json-1.1\r\n";
    let upload = "0193a1c2-0000-7000-8000-000000000000";
    vec![
        (
            "PUT /v2/demo/manifests/a HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
            401,
        ),
        (
            format!("PATCH /v2/demo/blobs/uploads/{upload} HTTP/1.1\r\nHost: localhost\r\n{USER}"),
            404,
        ),
        (
            format!("PUT /v2/demo/nothing HTTP/1.1\r\nHost: localhost\r\n{USER}"),
            404,
        ),
        (
            format!(
                "PUT /v2/demo/manifests/a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://foreign.com\r\n{USER}"
            ),
            403,
        ),
        (
            format!("PUT /v2/demo/manifests/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n{USER}"),
            400,
        ),
        (
            format!("POST / HTTP/1.1\r\nHost: localhost\r\n{json}{target}"),
            400,
        ),
        (
            format!("POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://foreign.com\r\n{json}{target}"),
            403,
        ),
        (
            "POST /_ecru/run-due HTTP/1.1\r\nHost: localhost\r\nOrigin: http://foreign.com\r\n".to_owned(),
            403,
        ),
        (
            "POST /_ecru/repositories HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
            405,
        ),
        (
            "GET /_ecru/repositories HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
            200,
        ),
        ("PUT /nowhere HTTP/1.1\r\nHost: localhost\r\n".to_owned(), 404),
    ]
}

async fn answered_at_once(server: &Running, head: &str, sent: &[u8], status: u16) {
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("a head");
    stream.write_all(sent).await.expect("a part of a body");
    let begun = Instant::now();
    let mut client = Client::over(stream);
    let answer = client.answer(false).await;
    assert!(begun.elapsed() < AT_ONCE, "{:?} {head}", begun.elapsed());
    assert_eq!(
        (answer.status, answer.header("connection")),
        (status, Some("close")),
        "{head}"
    );
}

#[tokio::test]
async fn a_body_that_stalls_does_not_keep_its_refusal_back() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    for (head, status) in refused() {
        for (announced, sent) in [
            ("Content-Length: 67108864", &b""[..]),
            ("Content-Length: 1000000", b"half"),
            ("Content-Length: 100", b"half"),
            ("Transfer-Encoding: chunked", b"4\r\nhalf\r\n"),
        ] {
            let head = format!("{head}{announced}\r\n\r\n");
            answered_at_once(&server, &head, sent, status).await;
        }
    }
}

/// Writes the whole body before it reads, as many clients do.
async fn answer_after_all(server: &Running, head: &str, bytes: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("a head");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..bytes / piece.len() {
        stream.write_all(&piece).await.expect("the server reads on");
    }
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .expect("the answer, and an end");
    answer
}

#[tokio::test]
async fn a_client_that_sends_its_whole_body_first_reads_why_it_was_refused() {
    let server = start().await;
    for (head, status) in refused() {
        let head = format!("{head}Content-Length: {}\r\n\r\n", 8 << 20);
        let answer = answer_after_all(&server, &head, 8 << 20).await;
        let begins = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(begins.as_bytes()), "{head}");
    }
}

#[tokio::test]
async fn a_manifest_over_its_limit_is_refused_before_it_is_sent() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    let head = format!(
        "PUT /v2/demo/manifests/a HTTP/1.1\r\nHost: localhost\r\n{USER}\
         Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 8388608\r\n\r\n"
    );
    answered_at_once(&server, &head, b"{", 413).await;
    let answer = answer_after_all(&server, &head, 8 << 20).await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_client_that_never_ends_is_closed_within_seconds() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    let head = "PUT /v2/demo/manifests/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108864\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("a head");
    let begun = Instant::now();
    while stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        (1..=8).contains(&begun.elapsed().as_secs()),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_small_refused_body_leaves_the_connection_open() {
    let server = start().await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        let request = "PUT /v2/demo/manifests/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody";
        client.send(request).await;
        let answer = client.answer(false).await;
        assert_eq!((answer.status, answer.header("connection")), (401, None));
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_a_body_gets_the_refusal_instead() {
    let server = start().await;
    for length in [10, 64 << 20] {
        let mut client = server.connect().await;
        client
            .send(format!(
                "PUT /v2/demo/manifests/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
                 Content-Length: {length}\r\n\r\n"
            ))
            .await;
        let answer = client.answer(false).await;
        assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
        let closed = timeout(Duration::from_secs(5), client.rest()).await;
        assert_eq!(closed.expect("an end"), b"");
    }
}

#[tokio::test]
async fn a_control_without_a_body_reads_none_and_a_large_one_is_refused() {
    let server = start().await;
    let head = "PUT /_ecru/clock HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n";
    answered_at_once(&server, head, b"{", 413).await;
    let head = "DELETE /_ecru/clock HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n";
    answered_at_once(&server, head, b"{", 200).await;
}
