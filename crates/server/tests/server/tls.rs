//! HTTPS: protocols, and certificates that change while the server runs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use ecru_server::TlsFiles;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::client::{Client, Running, start_with};

const USER: &str = "Basic dGVzdDp0ZXN0";
const PING: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct Secure {
    running: Running,
    files: TlsFiles,
    _directory: tempfile::TempDir,
}

async fn start_secure() -> Secure {
    let directory = tempfile::tempdir().expect("a directory");
    let files = write_pair(directory.path());
    let options = files.clone();
    let running = start_with(|server| server.tls = Some(options)).await;
    Secure {
        running,
        files,
        _directory: directory,
    }
}

fn write_pair(directory: &Path) -> TlsFiles {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let file = |ending: &str, content: String| -> PathBuf {
        let path = directory.join(format!("pair.{ending}"));
        fs::write(&path, content).expect("a file");
        path
    };
    TlsFiles {
        certificate: file("crt", pair.cert.pem()),
        key: file("key", pair.signing_key.serialize_pem()),
    }
}

impl Secure {
    /// Trusts the certificate in `file` and no other.
    async fn connect(
        &self,
        file: &Path,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(file).expect("a certificate"))
            .expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut configuration = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        configuration.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();

        let stream = TcpStream::connect(self.running.address()).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(configuration))
            .connect(name, stream)
            .await
    }

    async fn connect_http2(&self) -> SendRequest<Empty<Bytes>> {
        let offered: [&[u8]; 2] = [b"h2", b"http/1.1"];
        let stream = self
            .connect(&self.files.certificate, &[&version::TLS13], &offered)
            .await
            .expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
        tokio::spawn(connection);
        sender
    }
}

#[tokio::test]
async fn http_1_is_spoken_over_tls_1_2_and_1_3() {
    let server = start_secure().await;
    for version in [&version::TLS12, &version::TLS13] {
        let stream = server
            .connect(&server.files.certificate, &[version], &[b"http/1.1"])
            .await;
        let mut client = Client::over(stream.expect("a handshake"));
        client.send(PING).await;
        assert_eq!(client.answer(false).await.status, 200);
    }
}

/// Larger than one buffer of the file reader that HTTPS uses.
fn layer() -> Vec<u8> {
    (0..700_001_u32)
        .map(|at| u8::try_from(at % 251).expect("a byte"))
        .collect()
}

async fn push_layer(client: &mut Client<TlsStream<TcpStream>>, layer: &[u8]) -> String {
    let digest = ecru_model::Digest::of(layer).to_string();
    let create = "{\"repositoryName\": \"demo\"}";
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.CreateRepository\r\nContent-Length: {}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request, \
             SignedHeaders=host, Signature=00\r\n\r\n{create}",
            create.len()
        ))
        .await;
    assert_eq!(client.answer(false).await.status, 200);
    let head = format!(
        "POST /v2/demo/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: {USER}\r\nContent-Length: {}\r\n\r\n",
        layer.len()
    );
    client.send([head.as_bytes(), layer].concat()).await;
    assert_eq!(client.answer(false).await.status, 201);
    format!("/v2/demo/blobs/{digest}")
}

#[tokio::test]
async fn a_layer_comes_back_whole_over_http_1_and_http_2() {
    let server = start_secure().await;
    let layer = layer();
    let stream = server
        .connect(&server.files.certificate, &[&version::TLS13], &[b"http/1.1"])
        .await;
    let mut client = Client::over(stream.expect("a handshake"));
    let path = push_layer(&mut client, &layer).await;
    client
        .send(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {USER}\r\n\r\n"
        ))
        .await;
    assert!(client.answer(false).await.body == layer);

    let mut sender = server.connect_http2().await;
    for (range, status, expected) in [
        ("bytes=0-", 206, &layer[..]),
        ("bytes=300000-600000", 206, &layer[300_000..=600_000]),
    ] {
        let request = http::Request::get(format!("https://localhost{path}"))
            .header("authorization", USER)
            .header("range", range)
            .body(Empty::new());
        let response = sender
            .send_request(request.expect("a request"))
            .await
            .expect("an answer");
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(body == expected, "{range}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_when_the_client_offers_it() {
    let server = start_secure().await;
    let mut sender = server.connect_http2().await;
    for (uri, status) in [
        ("https://localhost/healthz", 200),
        ("https://user@localhost/healthz", 400),
    ] {
        let request = http::Request::get(uri).body(Empty::new()).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), status, "{uri}");
    }
}

#[tokio::test]
async fn a_plain_request_on_a_tls_port_is_told_so() {
    let server = start_secure().await;
    let answer = server.running.ask(PING).await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (400, &b"this port speaks TLS: begin with https"[..])
    );
}
