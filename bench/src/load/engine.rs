//! Drives connections with epoll: each sends a request, reads the answer, and takes the next request from the
//! script.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::net::RecvFlags;

use crate::load::response::Reader;
use crate::load::{Request, Response};

const SILENCE_SECONDS_MAX: i64 = 60;
const BUFFER_BYTES: usize = 256 << 10;
const DISCARD_BYTES: usize = 4 << 20;

/// Supplies the requests of the connections.
pub(crate) trait Script {
    /// The next request of a connection, given the answer to its last one. `None` ends the connection.
    fn next(&mut self, connection: usize, response: Option<&Response<'_>>) -> Result<Option<Rc<Request>>>;

    /// Whether the script reads bodies. If not, they are discarded unread.
    fn keeps_bodies(&self) -> bool {
        false
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    pub(crate) latencies_ns: Vec<u64>,
    pub(crate) body_bytes: u64,
}

impl Outcome {
    pub(crate) fn rate(&self) -> f64 {
        self.latencies_ns.len() as f64 / self.seconds
    }

    /// The latency in microseconds at a fraction of the distribution: 0.5 is the median.
    pub(crate) fn percentile_us(&mut self, part: f64) -> f64 {
        self.latencies_ns.sort_unstable();
        let last = self.latencies_ns.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a fraction of a length is not negative and not greater than the length"
        )]
        let at = (last as f64 * part).round() as usize;
        self.latencies_ns.get(at).map_or(f64::NAN, |it| *it as f64 / 1e3)
    }
}

pub(crate) fn run(address: SocketAddr, connections: usize, script: &mut dyn Script) -> Result<Outcome> {
    let mut engine = Engine::new(address)?;
    let mut pool = Vec::with_capacity(connections);
    for number in 0..connections {
        let connection = Connection::new(address, number)?;
        engine.add(&connection)?;
        pool.push(connection);
    }

    let began = Instant::now();
    for connection in &mut pool {
        let first = script.next(connection.number, None)?;
        engine.begin(connection, first, script)?;
    }
    let mut events = Vec::with_capacity(connections.max(1));
    let silence = Timespec {
        tv_sec: SILENCE_SECONDS_MAX,
        tv_nsec: 0,
    };
    while engine.busy > 0 {
        events.clear();
        epoll::wait(&engine.epoll, spare_capacity(&mut events), Some(&silence))?;
        ensure!(!events.is_empty(), "no answer for {SILENCE_SECONDS_MAX} s");
        for event in &events {
            let number = usize::try_from(event.data.u64())?;
            let connection = pool
                .get_mut(number)
                .context("an event of an unknown connection")?;
            engine.progress(connection, script)?;
        }
    }
    engine.outcome.seconds = began.elapsed().as_secs_f64();
    Ok(engine.outcome)
}

struct Connection {
    number: usize,
    stream: TcpStream,
    request: Option<Rc<Request>>,
    sent_bytes: u64,
    began: Instant,
    reader: Reader,
    waits_for_room: bool,
}

impl Connection {
    fn new(address: SocketAddr, number: usize) -> Result<Self> {
        Ok(Self {
            number,
            stream: open(address)?,
            request: None,
            sent_bytes: 0,
            began: Instant::now(),
            reader: Reader::new(),
            waits_for_room: false,
        })
    }

    /// Sends as much as the socket accepts. Returns whether everything was sent.
    fn send(&mut self) -> Result<bool> {
        let Some(request) = &self.request else {
            return Ok(true);
        };
        let size_bytes = request.content.map_or(0, |content| content.size_bytes());
        let head_bytes = request.head.len() as u64;
        while self.sent_bytes < head_bytes + size_bytes {
            let head = usize::try_from(self.sent_bytes).ok();
            let head = head.and_then(|sent| request.head.get(sent..)).unwrap_or_default();
            let offset = self.sent_bytes.saturating_sub(head_bytes);
            let content = request.content.as_ref();
            let first = content.map_or(&[][..], |it| it.at(offset));
            let second = content.map_or(&[][..], |it| it.at(offset + first.len() as u64));
            let pieces = [IoSlice::new(head), IoSlice::new(first), IoSlice::new(second)];
            match self.stream.write_vectored(&pieces) {
                Ok(0) => bail!("the connection accepts no more bytes"),
                Ok(count) => self.sent_bytes += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the request was cut off"),
            }
        }
        Ok(true)
    }
}

fn open(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).context("no connection")?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

struct Engine {
    address: SocketAddr,
    epoll: rustix::fd::OwnedFd,
    buffer: Vec<u8>,
    discard: Vec<u8>,
    busy: usize,
    outcome: Outcome,
}

impl Engine {
    fn new(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            address,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            buffer: vec![0; BUFFER_BYTES],
            discard: vec![0; DISCARD_BYTES],
            busy: 0,
            outcome: Outcome::default(),
        })
    }

    fn add(&self, connection: &Connection) -> io::Result<()> {
        let data = epoll::EventData::new_u64(connection.number as u64);
        Ok(epoll::add(
            &self.epoll,
            &connection.stream,
            data,
            epoll::EventFlags::IN,
        )?)
    }

    /// Begins the next request, or closes the connection if the script has none.
    fn begin(
        &mut self,
        connection: &mut Connection,
        next: Option<Rc<Request>>,
        script: &dyn Script,
    ) -> Result<()> {
        match (&connection.request, &next) {
            (None, Some(_)) => self.busy += 1,
            (Some(_), None) => self.busy -= 1,
            _ => {}
        }
        let Some(request) = next else {
            connection.request = None;
            return Ok(epoll::delete(&self.epoll, &connection.stream)?);
        };
        connection.began = Instant::now();
        if connection.reader.closes {
            connection.stream = open(self.address)?;
            connection.waits_for_room = false;
            self.add(connection)?;
        }
        connection
            .reader
            .begin(request.answer_has_body, script.keeps_bodies());
        connection.request = Some(request);
        connection.sent_bytes = 0;
        self.send(connection)
    }

    fn send(&self, connection: &mut Connection) -> Result<()> {
        let waits = !connection.send()?;
        if waits != connection.waits_for_room {
            connection.waits_for_room = waits;
            let data = epoll::EventData::new_u64(connection.number as u64);
            let flags = if waits {
                epoll::EventFlags::IN | epoll::EventFlags::OUT
            } else {
                epoll::EventFlags::IN
            };
            epoll::modify(&self.epoll, &connection.stream, data, flags)?;
        }
        Ok(())
    }

    fn progress(&mut self, connection: &mut Connection, script: &mut dyn Script) -> Result<()> {
        if connection.request.is_none() {
            return Ok(());
        }
        if connection.waits_for_room {
            self.send(connection)?;
        }
        while !connection.reader.is_done() {
            match self.receive(connection) {
                Ok(0) => bail!("the connection ended before the answer did"),
                Ok(_) => {}
                Err(error) if would_block(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let nanoseconds = u64::try_from(connection.began.elapsed().as_nanos())?;
        self.outcome.latencies_ns.push(nanoseconds);
        let response = connection.reader.response();
        self.outcome.body_bytes += response.body_bytes;
        let next = script.next(connection.number, Some(&response))?;
        self.begin(connection, next, script)
    }

    fn receive(&mut self, connection: &mut Connection) -> Result<usize> {
        let skippable = usize::try_from(connection.reader.skippable())?;
        if skippable > 0 {
            let room = self.discard.len().min(skippable);
            let room = self.discard.get_mut(..room).unwrap_or_default();
            // With this flag TCP discards the bytes without copying them.
            let (_, count) =
                rustix::net::recv(&connection.stream, room, RecvFlags::TRUNC).map_err(io::Error::from)?;
            connection.reader.skip(count as u64);
            return Ok(count);
        }
        let count = connection.stream.read(&mut self.buffer)?;
        let bytes = self.buffer.get(..count).unwrap_or_default();
        connection.reader.feed(bytes)?;
        Ok(count)
    }
}

fn would_block(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|it| matches!(it.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted))
}
