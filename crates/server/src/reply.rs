//! The body of an answer: nothing, bytes, or a range of a file that is sent in one of two ways.

use std::{
    fs::File,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc::Receiver};

use crate::{
    file_reads::FileReads,
    request_log::RequestLine,
    streams::{Progress, Untaken},
    zero_copy::{FileRange, Handover, Payload},
};

/// HTTP/2 streams receive bytes in pieces of this size, so that little waits beyond the client's window.
const STREAM_PIECE_BYTES: usize = 64 * 1024;

/// A body, before its connection decides how to send files.
pub(crate) enum Content {
    Empty,
    Bytes(Bytes),
    File {
        file: File,
        first: u64,
        length: u64,
    },
    /// An error, or an end before the length, cuts the connection.
    Arriving {
        pieces: Receiver<io::Result<Bytes>>,
        length: u64,
    },
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Content {
        if bytes.is_empty() {
            Content::Empty
        } else {
            Content::Bytes(bytes)
        }
    }
}

impl Content {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Content::Empty => 0,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { length, .. } | Content::Arriving { length, .. } => *length,
        }
    }
}

pub(crate) struct Reply {
    source: Source,
    remaining: u64,
    line: Option<RequestLine>,
    /// The progress of its stream, in HTTP/2.
    progress: Option<Arc<Progress>>,
    /// The permission for an open file, released when this is dropped.
    _file_turn: Option<OwnedSemaphorePermit>,
}

enum Source {
    Bytes(Bytes),
    Range(FileRange, Handover),
    Reads(FileReads),
    Pieces(Receiver<io::Result<Bytes>>),
}

impl Reply {
    /// With a `handover`, files are sent by `sendfile`; without one they are read.
    pub(crate) fn new(
        content: Content,
        handover: Option<&Handover>,
        line: Option<RequestLine>,
        file_turn: Option<OwnedSemaphorePermit>,
    ) -> Reply {
        let file_turn = file_turn.filter(|_| matches!(content, Content::File { .. }));
        let remaining = content.length();
        let source = match (content, handover) {
            (Content::Empty, _) => Source::Bytes(Bytes::new()),
            (Content::Bytes(bytes), _) => Source::Bytes(bytes),
            (Content::File { file, first, length }, Some(handover)) => {
                let range = FileRange {
                    file: Arc::new(file),
                    position: first,
                    remaining: length,
                };
                Source::Range(range, handover.clone())
            }
            (Content::File { file, first, length }, None) => {
                Source::Reads(FileReads::new(file, first, length))
            }
            (Content::Arriving { pieces, .. }, _) => Source::Pieces(pieces),
        };
        Reply {
            source,
            remaining,
            line,
            progress: Progress::of_stream(),
            _file_turn: file_turn,
        }
    }
}

impl Body for Reply {
    type Data = Payload;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Payload>>>> {
        let this = self.get_mut();
        if this.remaining == 0 {
            return Poll::Ready(None);
        }
        let payload = match &mut this.source {
            Source::Bytes(bytes) if this.progress.is_some() => {
                Payload::Bytes(bytes.split_to(bytes.len().min(STREAM_PIECE_BYTES)))
            }
            Source::Bytes(bytes) => Payload::Bytes(std::mem::take(bytes)),
            Source::Range(range, handover) => {
                let remaining = usize::try_from(range.remaining).map_err(io::Error::other)?;
                handover.push(range.clone());
                Payload::File {
                    remaining,
                    line: this.line.take(),
                }
            }
            Source::Reads(reads) => Payload::Bytes(ready!(reads.poll_next(cx))?),
            Source::Pieces(pieces) => match ready!(pieces.poll_recv(cx)) {
                Some(piece) => Payload::Bytes(piece?),
                None => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
            },
        };

        let length = bytes::Buf::remaining(&payload) as u64;
        this.remaining = this
            .remaining
            .checked_sub(length)
            .ok_or(io::ErrorKind::InvalidData)?;
        if let Some(line) = &mut this.line {
            line.sent(length);
        }
        let payload = match (payload, &this.progress) {
            (Payload::Bytes(bytes), Some(progress)) => Payload::Untaken(bytes, Untaken::new(progress)),
            (payload, _) => payload,
        };
        Poll::Ready(Some(Ok(Frame::data(payload))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
