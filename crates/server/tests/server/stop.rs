//! The end of a server, and its state after the next start.

use std::{path::Path, time::Duration};

use ecru_server::{DataDirectory, Options, Server};
use tokio::net::TcpStream;

use crate::client::{Client, start};

const CREATE: &str = "POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonEC2ContainerRegistry_V20150921.CreateRepository\r\n\
    Content-Type: application/x-amz-json-1.1\r\nContent-Length: 26\r\n\
    Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request, SignedHeaders=host, \
    Signature=00\r\n\r\n{\"repositoryName\": \"demo\"}";

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

async fn begin(directory: &Path) -> Server {
    let options = Options::local(DataDirectory::Kept(directory.to_owned()));
    Server::start(options).await.expect("a server")
}

async fn connect(server: &Server) -> Client<TcpStream> {
    Client::over(TcpStream::connect(server.address()).await.expect("a connection"))
}

/// Begins a push of `abc`, and waits for `100 Continue`: from then on the request is in progress.
async fn begin_push(client: &mut Client<TcpStream>) {
    client.send(CREATE).await;
    assert_eq!(client.answer(false).await.status, 200);
    let target = format!("/v2/demo/blobs/uploads/?digest={DIGEST}");
    client
        .send(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n\
             Content-Length: 3\r\nExpect: 100-continue\r\n\r\na"
        ))
        .await;
    assert_eq!(client.answer(false).await.status, 100);
}

#[tokio::test]
async fn a_stopping_server_closes_idle_connections_and_takes_no_others() {
    let running = start().await;
    let address = running.address();
    let mut silent = running.connect().await;
    let mut used = running.connect().await;
    used.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(used.answer(false).await.status, 200);

    running.server.stop().await;

    assert_eq!(silent.rest().await, b"");
    assert_eq!(used.rest().await, b"");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_in_progress_is_finished_and_what_it_was_promised_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = begin(directory.path()).await;
    let address = server.address();
    let mut client = connect(&server).await;
    begin_push(&mut client).await;

    let stopping = tokio::spawn(server.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    client.send("bc").await;
    let answer = client.answer(false).await;
    assert_eq!((answer.status, answer.header("connection")), (201, Some("close")));
    stopping.await.expect("a stop");

    let server = begin(directory.path()).await;
    let mut client = connect(&server).await;
    let get = format!(
        "GET /v2/demo/blobs/{DIGEST} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n\r\n"
    );
    client.send(get).await;
    assert_eq!(client.answer(false).await.body, b"abc");
}

#[tokio::test]
async fn a_request_that_does_not_finish_in_time_is_cut_off() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = begin(directory.path()).await;
    let mut client = connect(&server).await;
    begin_push(&mut client).await;

    server.stop_within(Duration::ZERO).await;

    assert_eq!(client.rest().await, b"");
    // The data is unlocked, so another server can use it.
    begin(directory.path()).await.stop().await;
}
