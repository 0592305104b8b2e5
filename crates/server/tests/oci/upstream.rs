//! A fake upstream registry: serves the given content, requires the given credentials, and records its
//! requests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ecru_outbound::Url;
use ecru_server::{Options, UpstreamOptions};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::client::Registry;
use crate::content::{INDEX, Image, MANIFEST, sha256};

pub(crate) const HUB: &str = "registry-1.docker.io";
pub(crate) const SECRET: &str =
    "arn:aws:secretsmanager:us-east-1:000000000000:secret:ecr-pullthroughcache/hub-a1b2c3";
/// `me:hunter2`.
pub(crate) const BASIC: &str = "basic bwu6ahvudgvymg==";

/// The credentials that it requires.
#[derive(Clone)]
pub(crate) enum Door {
    Open,
    Basic,
    /// A token from the server at this address.
    Bearer(String),
}

#[derive(Clone)]
enum Content {
    Bytes(&'static str, Vec<u8>),
    Redirection(String),
    Status(u16),
    /// An endless body, with this announced length if there is one.
    Endless(Option<u64>),
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The method and the path.
    pub(crate) what: String,
    pub(crate) authorization: Option<String>,
}

#[derive(Clone)]
pub(crate) struct FakeUpstream {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    serving: Arc<Mutex<JoinSet<()>>>,
}

struct State {
    door: Mutex<Door>,
    content: Mutex<HashMap<String, Content>>,
    asked: Mutex<Vec<Asked>>,
    /// If set, the second half of each blob waits for this signal.
    gate: Mutex<Option<Arc<Notify>>>,
    connections: AtomicUsize,
    /// The number of bytes of endless bodies that were sent.
    endless_bytes: AtomicUsize,
}

impl FakeUpstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(State {
            door: Mutex::new(Door::Open),
            content: Mutex::default(),
            asked: Mutex::default(),
            gate: Mutex::default(),
            connections: AtomicUsize::new(0),
            endless_bytes: AtomicUsize::new(0),
        });
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            serving: Arc::new(Mutex::new(serving)),
        }
    }

    /// Ends the server and all its connections.
    pub(crate) fn stop(&self) {
        self.serving.lock().unwrap().abort_all();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn guard(&self, door: Door) {
        *self.state.door.lock().unwrap() = door;
    }

    pub(crate) fn gate(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        *self.state.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    pub(crate) fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        for blob in &image.blobs {
            self.put_blob(name, &sha256(blob), blob);
        }
        for reference in [tag, &image.digest()] {
            self.put_manifest(name, reference, MANIFEST, &image.manifest);
        }
        image.digest()
    }

    pub(crate) fn push_index(&self, name: &str, tag: &str, index: &[u8]) -> String {
        for reference in [tag, &sha256(index)] {
            self.put_manifest(name, reference, INDEX, index);
        }
        sha256(index)
    }

    pub(crate) fn put_manifest(&self, name: &str, reference: &str, media_type: &'static str, bytes: &[u8]) {
        self.put(
            &format!("/v2/{name}/manifests/{reference}"),
            Content::Bytes(media_type, bytes.to_vec()),
        );
    }

    pub(crate) fn put_blob(&self, name: &str, digest: &str, bytes: &[u8]) {
        let content = Content::Bytes("application/octet-stream", bytes.to_vec());
        self.put(&format!("/v2/{name}/blobs/{digest}"), content);
    }

    pub(crate) fn redirect(&self, path: &str, to: &str) {
        self.put(path, Content::Redirection(to.to_owned()));
    }

    pub(crate) fn fail(&self, path: &str, status: u16) {
        self.put(path, Content::Status(status));
    }

    pub(crate) fn put_endless(&self, name: &str, digest: &str, announced: Option<u64>) {
        self.put(&format!("/v2/{name}/blobs/{digest}"), Content::Endless(announced));
    }

    pub(crate) fn endless_bytes(&self) -> usize {
        self.state.endless_bytes.load(Ordering::SeqCst)
    }

    fn put(&self, path: &str, content: Content) {
        self.state
            .content
            .lock()
            .unwrap()
            .insert(path.to_owned(), content);
    }

    /// The number of connections so far, including those without a request.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn asked_so_far(&self) -> usize {
        self.state.asked.lock().unwrap().len()
    }

    /// The requests since the last call of this function.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }

    /// A server that uses this upstream as Docker Hub. It may be redirected to the upstreams in `beside`.
    pub(crate) async fn cached(&self, beside: &[&Self]) -> Registry {
        let mut upstreams = self.as_hub();
        let beside = beside.iter().map(|place| (HUB.to_owned(), place.base()));
        upstreams.redirected.extend(beside);
        self.cached_with(|options| options.upstreams = upstreams).await
    }

    pub(crate) fn as_hub(&self) -> UpstreamOptions {
        UpstreamOptions {
            redirected: vec![(HUB.to_owned(), self.base())],
            allowed: Vec::new(),
        }
    }

    pub(crate) fn base(&self) -> Url {
        Url::parse(&self.url()).unwrap()
    }

    /// A server with a rule for Docker Hub and the secret of the rule.
    pub(crate) async fn cached_with(&self, change: impl FnOnce(&mut Options)) -> Registry {
        let registry = Registry::start_with(change).await;
        let secret = json!({ "arn": SECRET, "value": { "username": "me", "accessToken": "hunter2" } });
        let put = registry
            .put("/_ecru/secrets")
            .anonymously()
            .body(secret.to_string());
        assert_eq!(put.send().await.status, 200);
        let rule = json!({
            "ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": HUB, "credentialArn": SECRET,
        });
        registry.aws("CreatePullThroughCacheRule", rule).await;
        registry
    }
}

impl Registry {
    /// Waits for the background work of the cache.
    pub(crate) async fn settle(&self) {
        let ran = self.post("/_ecru/run-due").anonymously().send().await;
        assert_eq!(ran.status, 200, "{}", ran.text());
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            // An error means that the client has disconnected.
            let _ = answer(BufReader::new(stream), &state).await;
        });
    }
}

async fn answer(mut stream: BufReader<TcpStream>, state: &State) -> std::io::Result<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let lower = head.to_lowercase();
    let authorization = lower
        .lines()
        .find_map(|line| line.strip_prefix("authorization: "))
        .map(str::to_owned);
    let asked = Asked {
        what: format!("{method} {target}"),
        authorization: authorization.clone(),
    };
    state.asked.lock().unwrap().push(asked);

    let path = target.split('?').next().unwrap();
    let endless = match state.content.lock().unwrap().get(path) {
        Some(Content::Endless(announced)) if method == "GET" => Some(*announced),
        _ => None,
    };
    if let Some(announced) = endless {
        return state.pour(stream, announced).await;
    }
    let (head, mut body) = state.decide(path, authorization.as_deref());
    if method == "HEAD" {
        body.clear();
    }
    let head = format!("HTTP/1.1 {head}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let gate = state
        .gate
        .lock()
        .unwrap()
        .clone()
        .filter(|_| path.contains("/blobs/"));
    let (first, second) = body.split_at(body.len() / 2);
    stream.write_all(first).await?;
    stream.flush().await?;
    if let Some(gate) = gate {
        gate.notified().await;
    }
    stream.write_all(second).await?;
    stream.shutdown().await
}

impl State {
    async fn pour(&self, mut stream: BufReader<TcpStream>, announced: Option<u64>) -> std::io::Result<()> {
        let length = announced.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
        let head = format!("HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let piece = vec![b'a'; 64 * 1024];
        loop {
            stream.write_all(&piece).await?;
            self.endless_bytes.fetch_add(piece.len(), Ordering::SeqCst);
        }
    }

    /// The status and headers, and the body for a GET.
    fn decide(&self, path: &str, authorization: Option<&str>) -> (String, Vec<u8>) {
        let challenge = match &*self.door.lock().unwrap() {
            Door::Open => None,
            Door::Basic => (authorization != Some(BASIC)).then(|| "Basic realm=\"x\"".to_owned()),
            Door::Bearer(realm) => (authorization != Some("bearer opensesame"))
                .then(|| format!("Bearer realm=\"{realm}\",service=\"fake\"")),
        };
        let content = self.content.lock().unwrap().get(path).cloned();
        let mut body = Vec::new();
        let head = match (path, challenge, content) {
            ("/token", _, _) => {
                let token = json!({ "token": "OpenSesame", "expires_in": 300 });
                body = token.to_string().into_bytes();
                format!("200 OK\r\nContent-Length: {}\r\n", body.len())
            }
            (_, Some(challenge), _) => {
                format!("401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n")
            }
            (_, None, Some(Content::Bytes(media_type, bytes))) => {
                let (digest, length) = (sha256(&bytes), bytes.len());
                body = bytes;
                format!(
                    "200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\
                     Docker-Content-Digest: {digest}\r\n"
                )
            }
            (_, None, Some(Content::Redirection(to))) => {
                format!("307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n")
            }
            (_, None, Some(Content::Endless(_))) => "200 OK\r\n".to_owned(),
            (_, None, Some(Content::Status(status))) => format!("{status} x\r\nContent-Length: 0\r\n"),
            ("/v2/", None, None) => "200 OK\r\nContent-Length: 0\r\n".to_owned(),
            (_, None, None) => "404 Not Found\r\nContent-Length: 0\r\n".to_owned(),
        };
        (head, body)
    }
}
