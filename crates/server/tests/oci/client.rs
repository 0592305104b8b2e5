//! A server with its own folder, and a client that opens a connection for each request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_server::{DataDirectory, Options, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer takes, so that a hanging server fails its test.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Registry {
    server: Server,
}

impl Registry {
    /// A registry with an empty repository `demo`.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::local(DataDirectory::Ephemeral);
        change(&mut options);
        let registry = Self {
            server: Server::start(options).await.unwrap(),
        };
        registry.create("demo").await;
        registry
    }

    pub(crate) async fn create(&self, name: &str) {
        self.aws("CreateRepository", json!({ "repositoryName": name }))
            .await;
    }

    /// Freezes the clock that users see.
    pub(crate) async fn freeze(&self, at: &str) {
        let change = json!({ "frozen": at }).to_string();
        let set = self.put("/_ecru/clock").anonymously().body(change).send().await;
        assert_eq!(set.status, 200, "{}", set.text());
    }

    /// Calls an operation of the JSON API that must succeed.
    pub(crate) async fn aws(&self, operation: &str, input: Value) -> Value {
        self.aws_as("test", "us-east-1", operation, input).await
    }

    pub(crate) async fn aws_as(&self, key: &str, region: &str, operation: &str, input: Value) -> Value {
        let reply = self.aws_request(key, region, operation, &input).send().await;
        assert_eq!(reply.status, 200, "{operation}: {}", reply.text());
        reply.json()
    }

    /// Builds a request of the JSON API without sending it.
    pub(crate) fn aws_request(&self, key: &str, region: &str, operation: &str, input: &Value) -> Request<'_> {
        self.ask("POST", "/")
            .anonymously()
            .header(
                "X-Amz-Target",
                &format!("AmazonEC2ContainerRegistry_V20150921.{operation}"),
            )
            .header("Content-Type", "application/x-amz-json-1.1")
            .header(
                "Authorization",
                &format!(
                    "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/ecr/aws4_request, \
                     SignedHeaders=host, Signature=00"
                ),
            )
            .body(input.to_string())
    }

    pub(crate) fn authority(&self) -> String {
        self.server.address().to_string()
    }

    /// A request of a development user. `target` is a path, or an address from an answer.
    pub(crate) fn ask(&self, method: &str, target: &str) -> Request<'_> {
        let own = format!("http://{}", self.authority());
        Request {
            registry: self,
            method: method.to_owned(),
            target: target.strip_prefix(&own).unwrap_or(target).to_owned(),
            headers: Vec::new(),
            user: Some("test:test".to_owned()),
            host: self.authority(),
            body: None,
        }
    }

    pub(crate) fn get(&self, target: &str) -> Request<'_> {
        self.ask("GET", target)
    }

    pub(crate) fn head(&self, target: &str) -> Request<'_> {
        self.ask("HEAD", target)
    }

    pub(crate) fn post(&self, target: &str) -> Request<'_> {
        self.ask("POST", target)
    }

    pub(crate) fn put(&self, target: &str) -> Request<'_> {
        self.ask("PUT", target)
    }

    pub(crate) fn patch(&self, target: &str) -> Request<'_> {
        self.ask("PATCH", target)
    }

    pub(crate) fn delete(&self, target: &str) -> Request<'_> {
        self.ask("DELETE", target)
    }

    /// Sends these bytes. Returns everything that the server sends until it closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.server.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        until_end(&mut stream).await
    }

    /// Sends these bytes and closes its side. Returns everything that the server sends.
    pub(crate) async fn cut(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.server.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream.shutdown().await.unwrap();
        until_end(&mut stream).await
    }
}

async fn until_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // After a reset, the bytes received so far are the answer.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said))
        .await
        .expect("an end");
    said
}

#[must_use]
pub(crate) struct Request<'r> {
    registry: &'r Registry,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    user: Option<String>,
    host: String,
    body: Option<Vec<u8>>,
}

impl Request<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn anonymously(mut self) -> Self {
        self.user = None;
        self
    }

    /// `user` is `name:password`.
    pub(crate) fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    pub(crate) async fn send(self) -> Reply {
        let mut request = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut line = |name: &str, value: &str| request.extend([name, ": ", value, "\r\n"]);
        line("Host", &self.host);
        line("Connection", "close");
        if let Some(user) = &self.user {
            line("Authorization", &format!("Basic {}", STANDARD.encode(user)));
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        let chunked = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
        let body = self.body.unwrap_or_default();
        if !chunked && (!body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH")) {
            line("Content-Length", &body.len().to_string());
        }
        request.push_str("\r\n");

        let mut stream = TcpStream::connect(self.registry.server.address()).await.unwrap();
        let exchange = async {
            let (mut reading, mut writing) = stream.split();
            let sending = async {
                // A server that has already answered need not read the rest.
                if writing.write_all(request.as_bytes()).await.is_ok() {
                    let _ = writing.write_all(&body).await;
                }
            };
            let mut said = Vec::new();
            let ((), read) = tokio::join!(sending, reading.read_to_end(&mut said));
            read.map(|_| said)
        };
        let said = timeout(PATIENCE, exchange)
            .await
            .expect("an answer in time")
            .expect("an answer");
        Reply::parse(&said, &self.method)
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Parses an answer, and checks that its length is as announced.
    #[track_caller]
    pub(crate) fn parse(said: &[u8], method: &str) -> Self {
        let end = said
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head");
        let head = std::str::from_utf8(&said[..end]).expect("a head of text");
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_lowercase(), value.trim().to_owned())
            })
            .collect();
        let reply = Self {
            status,
            headers,
            body: said[end + 4..].to_vec(),
        };
        if method == "HEAD" || status == 204 || status == 304 {
            assert!(
                reply.body.is_empty(),
                "an answer to {method} with status {status} has a body"
            );
        } else {
            assert_eq!(
                reply.header("content-length"),
                Some(reply.body.len().to_string().as_str())
            );
        }
        reply
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let name = name.to_lowercase();
        self.headers
            .iter()
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The address of the next page, from `Link`.
    pub(crate) fn next_page(&self) -> Option<String> {
        let link = self.header("link")?;
        let (address, relation) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        assert_eq!(relation, "; rel=\"next\"");
        Some(address.to_owned())
    }

    /// Checks the status, and the headers of every answer below `/v2/`.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.header("docker-distribution-api-version"),
            Some("registry/2.0")
        );
        self
    }

    #[track_caller]
    pub(crate) fn has(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.header(name), Some(value), "{name}");
        self
    }

    /// Checks that the answer is an error in the specification's form.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, code: &str) -> &Self {
        self.is(status)
            .has("content-type", "application/json; charset=utf-8");
        let document = self.json();
        let errors = document["errors"].as_array().expect("errors");
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0]["code"], code, "{}", self.text());
        assert!(
            errors[0]["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
        assert!(errors[0].as_object().unwrap().contains_key("detail"));
        self
    }

    #[track_caller]
    pub(crate) fn message(&self) -> String {
        self.json()["errors"][0]["message"].as_str().unwrap().to_owned()
    }
}
