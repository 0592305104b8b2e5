//! A server in this process, and a client that sends exactly the given bytes.

use std::{net::SocketAddr, path::Path, time::Duration};

use ecru_server::{DataDirectory, Options, Server};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than anything here takes, so that a hanging server fails its test.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) server: Server,
    _data: TempDir,
}

pub(crate) async fn start() -> Running {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Running {
    let data = tempfile::tempdir().expect("a directory");
    Running::of(start_on(&data.path().join("data"), change).await, data)
}

/// Like `start_with`, with data that remains after the server ends.
pub(crate) async fn start_on(data: &Path, change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::local(DataDirectory::Kept(data.to_owned()));
    change(&mut options);
    Server::start(options).await.expect("a server")
}

impl Running {
    /// Wraps a server with the data directory of its test.
    pub(crate) fn of(server: Server, data: TempDir) -> Running {
        Running { server, _data: data }
    }

    /// Restarts the server with the same data.
    pub(crate) async fn restarted(self, change: impl FnOnce(&mut Options)) -> Running {
        let Running { server, _data: data } = self;
        server.stop().await;
        Running::of(start_on(&data.path().join("data"), change).await, data)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::over(TcpStream::connect(self.address()).await.expect("a connection"))
    }

    /// Sends one request over a new connection.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer(request.starts_with("HEAD ")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

pub(crate) struct Client<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Client<S> {
        Client { stream }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .await
            .expect("the server takes bytes");
    }

    pub(crate) async fn answer(&mut self, to_head: bool) -> Answer {
        timeout(PATIENCE, self.read_answer(to_head))
            .await
            .expect("an answer in time")
    }

    async fn read_answer(&mut self, to_head: bool) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.expect("a whole head"));
        }
        let head = String::from_utf8(head).expect("text");
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().expect("a status line");
        let status = status_line
            .split(' ')
            .nth(1)
            .expect("a status")
            .parse()
            .expect("a number");
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").expect("a header"))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();

        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a number"));
        if !to_head {
            answer.body = vec![0; length];
            self.stream
                .read_exact(&mut answer.body)
                .await
                .expect("a whole body");
        }
        answer
    }

    /// Everything that the server sends until it closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // The server may close by a reset.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest))
            .await
            .expect("the server closes");
        rest
    }
}
