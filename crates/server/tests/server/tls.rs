//! HTTPS: protocols, and certificates that change under a running server.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ecru_server::TlsFiles;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::client::{Client, Running, start_with};

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

#[tokio::test]
async fn http_2_is_spoken_when_the_client_offers_it() {
    let server = start_secure().await;
    let stream = server
        .connect(
            &server.files.certificate,
            &[&version::TLS13],
            &[b"h2", b"http/1.1"],
        )
        .await;
    let stream = stream.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    for (uri, status) in [
        ("https://localhost/healthz", 200),
        ("https://user@localhost/healthz", 400),
    ] {
        let request = http::Request::get(uri).body(http_body_util::Empty::<bytes::Bytes>::new());
        let response = sender
            .send_request(request.expect("a request"))
            .await
            .expect("an answer");
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
