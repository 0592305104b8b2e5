//! One connection: its protocol, its requests and its end.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ecru_registry::Scheme;
use http::{HeaderValue, Method, Request, Response, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    application::{self, Application, Arrival},
    first_touch,
    head_timer::HeadTimer,
    lent_body::{LentBody, Rest},
    lingering::{Lingering, UnreadBody},
    panics::{Panicked, caught},
    refusals::{Api, FAULT},
    reply::{Content, Reply},
    request_log::RequestLine,
    steady::Steady,
    streams::Streams,
    tls,
    zero_copy::{self, Handover, ZeroCopyStream},
};

const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const HEADER_BYTES_MAX: usize = 64 * 1024;
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
/// Large reads keep a push near the speed of the disk.
const READ_BYTES_MAX: usize = 512 * 1024;
const STREAMS_MAX: u32 = 128;
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Maximum number of files that the streams of one connection may have open. Further streams wait.
const STREAM_FILES_MAX: usize = 32;

const TLS_HANDSHAKE_RECORD: u8 = 0x16;
/// Clients that try TLS first fall back to plain HTTP when they receive this.
const PLAIN_HTTP_HERE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const TLS_HERE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 38\r\n\r\n\
    this port speaks TLS: begin with https";

/// The phase of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// Requests in progress are finished, and no new ones begin.
    Draining,
    Ended,
}

/// State that all connections of a listener share.
pub(crate) struct Listening {
    pub(crate) application: Arc<Application>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) requests: AtomicU64,
}

/// The handler of a connection, once the protocol is known. Boxed, so that a connection that has sent nothing
/// stays small.
type Conversation = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

pub(crate) async fn serve(
    listening: Arc<Listening>,
    stream: TcpStream,
    peer: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) {
    let outcome = tokio::select! {
        outcome = begin(listening, stream, peer, phase.clone()) => outcome,
        () = ended(&mut phase) => Ok(()),
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, error = format!("{error:#}"), "a connection ended early");
    }
}

async fn ended(phase: &mut watch::Receiver<Phase>) {
    // An error means that the server has ended too.
    let _ = phase.wait_for(|phase| *phase == Phase::Ended).await;
}

async fn begin(
    listening: Arc<Listening>,
    stream: TcpStream,
    peer: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let first = tokio::select! {
        first = timeout(HEADER_TIMEOUT, first_byte(&stream)) => first??,
        _ = phase.wait_for(|phase| *phase != Phase::Running) => None,
    };
    let Some(first) = first else { return Ok(()) };

    let scheme = if listening.tls.is_some() {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let arrival = Arrival {
        scheme,
        local: stream.local_addr()?,
        source: peer.ip(),
    };
    converse(
        first,
        stream,
        Arrived {
            listening,
            arrival,
            peer,
            handover: None,
            unread: None,
            files: None,
        },
        phase,
    )
    .await
}

async fn first_byte(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut byte = [0];
    let count = stream.peek(&mut byte).await?;
    Ok(byte.first().copied().filter(|_| count > 0))
}

fn converse(
    first: u8,
    stream: TcpStream,
    mut arrived: Arrived,
    phase: watch::Receiver<Phase>,
) -> Conversation {
    let tls_expected = arrived.listening.tls.clone();
    match (tls_expected, first == TLS_HANDSHAKE_RECORD) {
        (Some(acceptor), true) => Box::pin(serve_tls(acceptor, stream, arrived, phase)),
        (Some(_), false) => Box::pin(refuse(stream, TLS_HERE)),
        (None, true) => Box::pin(refuse(stream, PLAIN_HTTP_HERE)),
        (None, false) => {
            let handover = Handover::default();
            arrived.handover = zero_copy::IS_THERE.then(|| handover.clone());
            serve_http1(ZeroCopyStream::new(stream, handover), arrived, phase)
        }
    }
}

async fn refuse(mut stream: TcpStream, answer: &[u8]) -> anyhow::Result<()> {
    // Bytes that have arrived are read first: closing a socket with unread bytes would discard the answer.
    let mut greeting = [0; 4096];
    while stream.try_read(&mut greeting).is_ok_and(|count| count > 0) {}
    stream.write_all(answer).await?;
    Ok(stream.shutdown().await?)
}

async fn serve_tls(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    arrived: Arrived,
    phase: watch::Receiver<Phase>,
) -> anyhow::Result<()> {
    let stream = timeout(HEADER_TIMEOUT, acceptor.accept(stream)).await??;
    let serve = match stream.get_ref().1.alpn_protocol() {
        Some(tls::HTTP2) => serve_http2,
        _ => serve_http1,
    };
    serve(stream, arrived, phase).await
}

fn serve_http1<S>(stream: S, mut arrived: Arrived, phase: watch::Receiver<Phase>) -> Conversation
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unread = UnreadBody::default();
    arrived.unread = Some(unread.clone());
    let connection = http1::Builder::new()
        .timer(HeadTimer::default())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(READ_BYTES_MAX)
        .writev(true)
        .serve_connection(
            TokioIo::new(Lingering::new(stream, unread)),
            service_fn(move |request| arrived.clone().boxed(request)),
        );
    Box::pin(drive(Steady::new(connection), phase, pending()))
}

fn serve_http2<S>(stream: S, mut arrived: Arrived, phase: watch::Receiver<Phase>) -> Conversation
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    arrived.files = Some(Arc::new(Semaphore::new(STREAM_FILES_MAX)));
    let streams = Streams::default();
    let connection = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(HEADER_TIMEOUT)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| arrived.clone().boxed(request)),
        );
    let stall = async move { streams.stall(HEADER_TIMEOUT).await };
    Box::pin(drive(Steady::new(connection), phase, stall))
}

/// Runs until the connection ends, or must be cut off because of a `stall`.
async fn drive<C>(
    mut connection: Steady<C>,
    mut phase: watch::Receiver<Phase>,
    stall: impl Future<Output = ()>,
) -> anyhow::Result<()>
where
    C: GracefulConnection,
    C::Error: std::error::Error + Send + Sync + 'static,
{
    let mut stall = pin!(stall);
    tokio::select! {
        outcome = &mut connection => return Ok(outcome?),
        () = &mut stall => return Err(anyhow::anyhow!("the client reads nothing")),
        _ = phase.wait_for(|phase| *phase != Phase::Running) => {}
    }
    connection.future().graceful_shutdown();
    tokio::select! {
        outcome = &mut connection => Ok(outcome?),
        () = stall => Err(anyhow::anyhow!("the client reads nothing")),
    }
}

type Responded = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send>>;

/// The state of a connection that its requests use.
#[derive(Clone)]
struct Arrived {
    listening: Arc<Listening>,
    arrival: Arrival,
    peer: SocketAddr,
    handover: Option<Handover>,
    /// In HTTP/1.1 only: an unread body ends the connection there.
    unread: Option<UnreadBody>,
    /// In HTTP/2 only: the limit on open files.
    files: Option<Arc<Semaphore>>,
}

impl Arrived {
    /// Boxed, so that an idle connection does not reserve the size of a request.
    fn boxed(self, request: Request<Incoming>) -> Responded {
        Box::pin(self.respond(request))
    }

    async fn respond(self, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
        let number = self.listening.requests.fetch_add(1, Ordering::Relaxed);
        let mut line = RequestLine::begin(&request, self.peer, number);
        let (api, is_head) = (
            self.listening.application.api(&request),
            request.method() == Method::HEAD,
        );
        let may_be_read = !request.headers().contains_key(header::EXPECT);
        let file_turn = self.file_turn(&request, api).await;
        let (request, rest) = Self::lend(request);

        let answering = pin!(self.listening.application.answer(request, self.arrival));
        let answered = caught(answering).await;
        let mut response = answered.unwrap_or_else(|Panicked| FAULT.answer(api));
        if is_head {
            response = application::without_body(response);
        }
        if let Some(rest) = rest {
            self.end_body(rest, may_be_read, &mut response).await;
        }
        response = self.touched(response).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a blob could not be read");
            FAULT.answer(api)
        });

        if let Some(line) = &mut line {
            line.answered(response.status(), response.headers());
        }
        Ok(response.map(|content| Reply::new(content, self.handover.as_ref(), line, file_turn)))
    }

    /// Waits until the connection may open another file, if the request may need one.
    async fn file_turn(&self, request: &Request<Incoming>, api: Api) -> Option<OwnedSemaphorePermit> {
        let files = self.files.as_ref()?;
        let may_open = api == Api::Oci && request.uri().path().contains("/blobs/");
        if !may_open || request.method() != Method::GET {
            return None;
        }
        Arc::clone(files).acquire_owned().await.ok()
    }

    fn lend(request: Request<Incoming>) -> (Request<LentBody<Incoming>>, Option<Rest<Incoming>>) {
        let (parts, body) = request.into_parts();
        let (body, rest) = LentBody::with_rest(body);
        (Request::from_parts(parts, body), rest)
    }

    /// In HTTP/1.1, a client that still sends, or waits for `100 Continue`, gets its answer at once, and the
    /// connection ends after it. An HTTP/2 connection carries other requests, so the rest of the body is read
    /// and dropped while the answer is sent.
    async fn end_body(&self, rest: Rest<Incoming>, may_be_read: bool, response: &mut Response<Content>) {
        let Some(unread) = &self.unread else {
            tokio::spawn(rest.drop_what_comes());
            return;
        };
        if rest.ends(may_be_read).await {
            return;
        }
        unread.note();
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }

    /// If the kernel sends the file, only this first read can wait for the disk on another thread.
    async fn touched(&self, response: Response<Content>) -> io::Result<Response<Content>> {
        let (parts, content) = response.into_parts();
        let content = match content {
            Content::File { file, first, length } if self.handover.is_some() => Content::File {
                file: first_touch::touch(file, first).await?,
                first,
                length,
            },
            content => content,
        };
        Ok(Response::from_parts(parts, content))
    }
}
