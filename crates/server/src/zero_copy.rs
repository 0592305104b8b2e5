//! Sends file ranges over plain HTTP/1.1 by `sendfile`, without copying their bytes into this process.
//!
//! hyper writes a body as slices of memory. A file range is represented by a slice of one memory region that
//! is never read. When the connection's stream finds such a slice to write, it sends the same number of bytes
//! from the next file range instead.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncWrite, Interest},
    net::TcpStream,
};

use crate::{
    layered::{Layer, Layered},
    request_log::RequestLine,
    streams::Untaken,
};

/// The most that one `sendfile` call requests.
const SENDFILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Represents file content in hyper. It is allocated and not a `static`, so its pages are not in the
/// executable. They are never touched, so they take no memory either.
static STAND_IN: LazyLock<&'static [u8]> = LazyLock::new(|| vec![0; SENDFILE_BYTES_MAX].leak());

/// Whether this system can send a file without reading it.
pub(crate) const IS_THERE: bool = cfg!(target_os = "linux");

/// A range of a file to send.
#[derive(Clone, Debug)]
pub(crate) struct FileRange {
    pub(crate) file: Arc<File>,
    pub(crate) position: u64,
    pub(crate) remaining: u64,
}

/// The ranges that hyper holds stand-ins for, in the order in which it will write them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handover(Arc<Mutex<VecDeque<FileRange>>>);

impl Handover {
    pub(crate) fn push(&self, range: FileRange) {
        self.with(|ranges| ranges.push_back(range));
    }

    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<FileRange>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A piece of a body as hyper holds it until it is written.
pub(crate) enum Payload {
    Bytes(Bytes),
    /// Bytes whose stream is watched until they are taken.
    Untaken(Bytes, Untaken),
    /// The log line of the request stays with its content, so that it is written when the last byte is sent.
    File {
        remaining: usize,
        line: Option<RequestLine>,
    },
}

impl Buf for Payload {
    fn remaining(&self) -> usize {
        match self {
            Payload::Bytes(bytes) | Payload::Untaken(bytes, _) => bytes.len(),
            Payload::File { remaining, .. } => *remaining,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Payload::Bytes(bytes) | Payload::Untaken(bytes, _) => bytes,
            Payload::File { remaining, .. } => STAND_IN.get(..*remaining).unwrap_or(&STAND_IN),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Payload::Bytes(bytes) => bytes.advance(count),
            Payload::Untaken(bytes, untaken) => {
                bytes.advance(count);
                untaken.took_some();
            }
            Payload::File { remaining, line } => {
                assert!(count <= *remaining, "no more can be written than there is");
                *remaining -= count;
                if let Some(line) = line {
                    line.sent(count as u64);
                }
            }
        }
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        match self {
            Payload::Bytes(bytes) => bytes.copy_to_bytes(count),
            Payload::Untaken(bytes, untaken) => {
                untaken.took_some();
                bytes.copy_to_bytes(count)
            }
            // The bytes of the stand-in are not the bytes of the file.
            Payload::File { .. } => {
                unreachable!("with `writev` set, hyper writes each piece from where it is")
            }
        }
    }
}

/// A TCP connection whose writer recognizes the stand-in.
pub(crate) type ZeroCopyStream = Layered<TcpStream, SendsFiles>;

pub(crate) struct SendsFiles(Handover);

impl ZeroCopyStream {
    pub(crate) fn new(stream: TcpStream, handover: Handover) -> ZeroCopyStream {
        Layered::over(stream, SendsFiles(handover))
    }
}

impl SendsFiles {
    fn poll_send_file(
        &self,
        stream: &TcpStream,
        cx: &mut Context<'_>,
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(stream.poll_write_ready(cx))?;
            let sent = stream.try_io(Interest::WRITABLE, || {
                self.0.with(|ranges| send_from_first(stream, ranges, wanted))
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

fn send_from_first(stream: &TcpStream, ranges: &mut VecDeque<FileRange>, wanted: usize) -> io::Result<usize> {
    let range = ranges
        .front_mut()
        .ok_or_else(|| io::Error::other("no file range awaits its turn"))?;
    let count = wanted.min(usize::try_from(range.remaining).unwrap_or(usize::MAX));

    let mut position = range.position;
    let sent = send_file(stream, &range.file, &mut position, count)?;
    if sent == 0 {
        // The length was already declared, so the connection cannot be used for anything else.
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "a file is shorter than its recorded size",
        ));
    }

    range.position = position;
    range.remaining -= sent as u64;
    if range.remaining == 0 {
        ranges.pop_front();
    }
    Ok(sent)
}

#[cfg(target_os = "linux")]
fn send_file(stream: &TcpStream, file: &File, position: &mut u64, count: usize) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(stream, file, Some(position), count)?)
}

#[cfg(not(target_os = "linux"))]
fn send_file(_: &TcpStream, _: &File, _: &mut u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

fn is_stand_in(slice: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&slice.as_ptr())
}

impl Layer<TcpStream> for SendsFiles {
    fn poll_write(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(stream, cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices = slices.trim_start_empty();
        let real = slices.iter().take_while(|slice| !is_stand_in(slice)).count();
        match slices.split_at(real) {
            ([], [file, ..]) => self.poll_send_file(stream, cx, file.len()),
            (real, _) => Pin::new(stream).poll_write_vectored(cx, real),
        }
    }
}

trait TrimStartEmpty {
    fn trim_start_empty(&self) -> &Self;
}

impl TrimStartEmpty for [IoSlice<'_>] {
    /// Drops leading empty slices, which would look like real bytes and cause an empty write.
    fn trim_start_empty(&self) -> &Self {
        let empty = self.iter().take_while(|slice| slice.is_empty()).count();
        self.get(empty..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
