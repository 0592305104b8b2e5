//! Reading a part of a file for connections that need its bytes in memory: one buffer is read ahead on the
//! blocking pool while the one before it is sent, and no thread waits for a slow client.

use std::{
    fs::File,
    future::Future,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::task::JoinHandle;

const BUFFER_BYTES: u64 = 256 * 1024;

pub(crate) struct FileReads {
    file: Arc<File>,
    position: u64,
    unread: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileReads {
    pub(crate) fn new(file: File, first: u64, length: u64) -> FileReads {
        FileReads {
            file: Arc::new(file),
            position: first,
            unread: length,
            reading: None,
        }
    }

    /// The next piece, which is never empty. Must not be asked for more than the length.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        self.read_ahead();
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        self.read_ahead();
        Poll::Ready(read.map_err(io::Error::other)?)
    }

    fn read_ahead(&mut self) {
        if self.reading.is_some() || self.unread == 0 {
            return;
        }
        let (file, position, length) = (
            Arc::clone(&self.file),
            self.position,
            self.unread.min(BUFFER_BYTES),
        );
        self.position += length;
        self.unread -= length;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact_at(&mut buffer, position)?;
            Ok(buffer.into())
        }));
    }
}
