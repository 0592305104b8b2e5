//! Concurrent uploads: their number is limited, and further uploads wait for a place.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{advance, pause, resume};

use crate::client::Registry;
use crate::content::{bytes, sha256};

const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

async fn with_places(count: usize) -> Registry {
    Registry::start_with(|options| options.uploads_at_once = Some(count)).await
}

/// Announces a chunk of ten bytes, and waits for `100 Continue` before sending them.
async fn announce(registry: &Registry) -> TcpStream {
    let location = registry.begin_upload().await;
    let path = location
        .strip_prefix(&format!("http://{}", registry.authority()))
        .unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic dGVzdDp0ZXN0\r\nContent-Length: 10\r\n\
         Expect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(registry.authority()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn is_asked(stream: &mut TcpStream) {
    let mut said = vec![0; GO_ON.len()];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(said, GO_ON);
}

/// Whether the server has sent nothing on this connection, although it has answered several other requests.
async fn waits(registry: &Registry, stream: &TcpStream) -> bool {
    for _ in 0..20 {
        registry.get("/v2/").send().await.is(200);
    }
    stream
        .try_read(&mut [0])
        .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

async fn status(mut stream: TcpStream, sent: &[u8]) -> String {
    stream.write_all(sent).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn one_upload_more_than_there_are_places_waits_until_another_ends() {
    let registry = with_places(2).await;
    let (mut first, mut second) = (announce(&registry).await, announce(&registry).await);
    is_asked(&mut first).await;
    is_asked(&mut second).await;

    let mut third = announce(&registry).await;
    assert!(waits(&registry, &third).await);
    assert_eq!(status(first, b"0123456789").await, "202");
    is_asked(&mut third).await;

    // A client that disconnects frees its place too.
    let mut fourth = announce(&registry).await;
    assert!(waits(&registry, &fourth).await);
    drop(second);
    is_asked(&mut fourth).await;
    assert_eq!(status(third, b"0123456789").await, "202");
    assert_eq!(status(fourth, b"0123456789").await, "202");
}

#[tokio::test]
async fn what_has_no_bytes_to_send_needs_no_place() {
    let registry = with_places(1).await;
    let content = bytes(1, 1000);
    let digest = sha256(&content);
    let location = registry.begin_upload().await;
    registry.patch(&location).body(content).send().await.is(202);

    let mut only = announce(&registry).await;
    is_asked(&mut only).await;
    registry.get(&location).send().await.is(204);
    let target = format!("{location}?digest={digest}");
    registry.put(&target).send().await.is(201);
    let location = registry.begin_upload().await;
    registry.delete(&location).send().await.is(204);
    assert_eq!(status(only, b"0123456789").await, "202");
}

#[tokio::test]
async fn a_silent_upload_loses_its_place_to_one_that_waits() {
    let registry = with_places(1).await;
    let mut silent = announce(&registry).await;
    is_asked(&mut silent).await;
    let mut waiting = announce(&registry).await;
    assert!(waits(&registry, &waiting).await);

    // Twice, because a turn that began before anything waited does not count.
    for _ in 0..2 {
        pause();
        advance(Duration::from_secs(8)).await;
        resume();
        registry.get("/v2/").send().await.is(200);
    }
    is_asked(&mut waiting).await;
    assert_eq!(status(waiting, b"0123456789").await, "202");
    assert_eq!(status(silent, b"").await, "408");
}
