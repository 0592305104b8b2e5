//! Both ways of sending a file to a client: whole, in ranges, pipelined, and truncated.

use std::{convert::Infallible, fs::File, io::Write as _, net::Ipv4Addr};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::reply::{Content, Reply};

const FILE_BYTES: usize = 2 * SENDFILE_BYTES_MAX + 12_345;
const SMALL: &[u8] = b"a small answer";

/// Both ways send the same bytes, so most tests run both.
#[derive(Clone, Copy, Debug)]
enum Road {
    Sendfile,
    Reads,
}

const ROADS: [Road; 2] = [Road::Sendfile, Road::Reads];

/// Bytes with a period that divides no buffer size, so that a shifted or repeated piece is detected.
static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut content = (0..=250).collect::<Vec<u8>>().repeat(FILE_BYTES / 251 + 1);
    content.truncate(FILE_BYTES);
    content
});

struct Client {
    stream: BufReader<TcpStream>,
    server: JoinHandle<hyper::Result<()>>,
}

/// A connection to a server of one file: `/small`, `/missing-end`, or `/<first>/<length>` of the file.
async fn connect(road: Road) -> Client {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&CONTENT).expect("its content");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");

    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let handover = Handover::default();
        let io = TokioIo::new(ZeroCopyStream::new(stream, handover.clone()));
        let handover = matches!(road, Road::Sendfile).then_some(handover);
        let answer = move |request: Request<Incoming>| {
            let content = answer(&file, request.uri().path());
            let reply = Reply::new(content, handover.as_ref(), None, None);
            async { Ok::<_, Infallible>(Response::new(reply)) }
        };
        http1::Builder::new()
            .writev(true)
            .serve_connection(io, service_fn(answer))
            .await
    });
    let stream = TcpStream::connect(address).await.expect("a connection");
    Client {
        stream: BufReader::new(stream),
        server,
    }
}

fn answer(file: &File, path: &str) -> Content {
    let of_file = |first, length| Content::File {
        file: file.try_clone().expect("a handle"),
        first,
        length,
    };
    match path {
        "/small" => Content::Bytes(Bytes::from_static(SMALL)),
        "/missing-end" => of_file(0, FILE_BYTES as u64 + 1),
        range => {
            let (first, length) = range.trim_start_matches('/').split_once('/').expect("a range");
            of_file(
                first.parse().expect("a number"),
                length.parse().expect("a number"),
            )
        }
    }
}

impl Client {
    async fn send(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .await
            .expect("a request is taken");
    }

    async fn read_head(&mut self) -> usize {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let (_, length) = head.split_once("content-length: ").expect("a length");
        length
            .split_once('\r')
            .expect("a line")
            .0
            .parse()
            .expect("a number")
    }

    async fn read(&mut self) -> Vec<u8> {
        let mut body = vec![0; self.read_head().await];
        self.stream.read_exact(&mut body).await.expect("a body");
        body
    }
}

#[track_caller]
fn assert_same(found: &[u8], expected: &[u8], road: Road) {
    assert_eq!(found.len(), expected.len(), "{road:?}");
    assert!(found == expected, "{road:?}");
}

#[tokio::test]
async fn a_file_and_its_ranges_arrive_as_they_are_over_one_connection() {
    for road in ROADS {
        let mut client = connect(road).await;
        for (first, length) in [
            (0, FILE_BYTES),
            (0, 1),
            (FILE_BYTES - 1, 1),
            (7, SENDFILE_BYTES_MAX),
            (SENDFILE_BYTES_MAX - 1, SENDFILE_BYTES_MAX + 2),
            (3, 0),
            (100_003, 262_144),
        ] {
            client.send(&format!("/{first}/{length}")).await;
            assert_same(&client.read().await, &CONTENT[first..first + length], road);
        }
    }
}

#[tokio::test]
async fn pipelined_answers_stay_in_order_around_files() {
    for road in ROADS {
        let mut client = connect(road).await;
        let length = SENDFILE_BYTES_MAX + 99;
        let file = format!("/5/{length}");
        for path in [
            "/small", &file, "/small", "/small", &file, &file, "/9/10", "/small",
        ] {
            client.send(path).await;
        }
        let file = &CONTENT[5..5 + length];
        for expected in [SMALL, file, SMALL, SMALL, file, file, &CONTENT[9..19], SMALL] {
            assert_same(&client.read().await, expected, road);
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_halfway_ends_its_connection_only() {
    for road in ROADS {
        let mut client = connect(road).await;
        client.send(&format!("/0/{FILE_BYTES}")).await;
        client.read_head().await;
        let Client { stream, server } = client;
        drop(stream);
        let outcome = server.await.expect("the connection's task did not panic");
        assert!(outcome.is_err(), "{road:?}");
    }
}

#[tokio::test]
async fn a_file_shorter_than_its_promised_length_closes_the_connection() {
    for road in ROADS {
        let mut client = connect(road).await;
        client.send("/missing-end").await;
        assert_eq!(client.read_head().await, FILE_BYTES + 1);
        let mut body = Vec::new();
        // The kernel decides whether the client sees an end or a reset.
        let _ = client.stream.read_to_end(&mut body).await;
        assert!(body.len() <= FILE_BYTES, "{road:?}");
        assert!(CONTENT.starts_with(&body), "{road:?}");
        assert!(client.server.await.expect("no panic").is_err(), "{road:?}");
    }
}

#[tokio::test]
async fn the_stand_in_is_never_given_out_as_content() {
    let mut payload = Payload::File {
        remaining: 10,
        line: None,
    };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| payload.copy_to_bytes(10)));
    assert!(caught.is_err());
}
