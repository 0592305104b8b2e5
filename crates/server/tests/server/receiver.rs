//! A fake HTTP receiver: refuses connections until it listens, and then answers as its test says.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A received request body, and its headers.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Value,
}

pub(crate) enum Reply {
    Status(u16, Value),
    /// The connection is closed without an answer.
    Close,
    /// No answer comes.
    Hang,
}

/// A reserved port. No server listens on it yet, and no other process can.
pub(crate) struct Reserved {
    socket: TcpSocket,
    pub(crate) address: SocketAddr,
}

pub(crate) struct Receiver {
    received: mpsc::UnboundedReceiver<Received>,
    _serving: JoinSet<()>,
}

impl Reserved {
    pub(crate) fn new() -> Reserved {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("a port");
        let address = socket.local_addr().expect("an address");
        Reserved { socket, address }
    }

    pub(crate) fn url(&self) -> ecru_outbound::Url {
        let url = format!("http://{}/events?token=secret", self.address);
        ecru_outbound::Url::parse(&url).expect("a URL")
    }

    /// Answers each request with the result of `reply` for its number, from zero, and its body.
    pub(crate) fn listen(self, reply: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) -> Receiver {
        let listener = self.socket.listen(16).expect("a listener");
        let (sender, received) = mpsc::unbounded_channel();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::new(reply), sender));
        Receiver {
            received,
            _serving: serving,
        }
    }

    /// Accepts everything.
    pub(crate) fn take_all(self) -> Receiver {
        self.listen(|_, _| Reply::Status(200, Value::Null))
    }
}

impl Receiver {
    pub(crate) async fn next(&mut self) -> Received {
        let received = timeout(PATIENCE, self.received.recv()).await;
        received.expect("a request in time").expect("a request")
    }

    /// The number of received requests that the test has not read.
    pub(crate) fn left(&mut self) -> usize {
        let mut left = 0;
        while self.received.try_recv().is_ok() {
            left += 1;
        }
        left
    }
}

type Replies = Arc<dyn Fn(usize, &Value) -> Reply + Send + Sync>;

async fn serve(listener: TcpListener, reply: Replies, received: mpsc::UnboundedSender<Received>) {
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (reply, received, count) = (Arc::clone(&reply), received.clone(), Arc::clone(&count));
        connections.spawn(async move {
            let mut stream = BufReader::new(stream);
            while let Some(request) = read(&mut stream).await {
                let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let reply = reply(number, &request.body);
                let _ = received.send(request);
                match reply {
                    Reply::Status(status, body) => {
                        let body = body.to_string();
                        let answer = format!(
                            "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                    Reply::Close => return,
                    Reply::Hang => std::future::pending().await,
                }
            }
        });
    }
}

/// `None` at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received {
        head: lower,
        body: serde_json::from_slice(&body).ok()?,
    })
}
