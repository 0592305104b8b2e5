//! Reads a range of a file for connections that need its bytes in memory. Pieces are read on the blocking
//! pool, one ahead once the client has taken one, and no thread waits for a slow client.

use std::{
    fs::File,
    future::Future,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::task::JoinHandle;

/// The size of the first piece, and of each piece while many clients have pieces waiting.
const FIRST_BYTES: u64 = 64 * 1024;
const PIECE_BYTES_MAX: u64 = 256 * 1024;
/// Once all pieces together take this much memory, clients get only small pieces.
const IN_MEMORY_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// One for the process, because it limits the memory of the process.
static IN_MEMORY_BYTES: AtomicU64 = AtomicU64::new(0);

pub(crate) struct FileReads {
    file: Arc<File>,
    position: u64,
    unread: u64,
    /// The size limit of the next piece. It grows with each piece that is taken.
    piece_bytes: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileReads {
    pub(crate) fn new(file: File, first: u64, length: u64) -> FileReads {
        FileReads {
            file: Arc::new(file),
            position: first,
            unread: length,
            piece_bytes: FIRST_BYTES,
            reading: None,
        }
    }

    /// The next piece, which is never empty. Must not be called again after the whole length was returned.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.reading.is_none() {
            self.read_next();
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        self.piece_bytes = (2 * self.piece_bytes).min(PIECE_BYTES_MAX);
        if self.piece_bytes == PIECE_BYTES_MAX && !is_crowded() {
            self.read_next();
        }
        Poll::Ready(read.map_err(io::Error::other)?)
    }

    fn read_next(&mut self) {
        let piece_bytes = if is_crowded() {
            FIRST_BYTES
        } else {
            self.piece_bytes
        };
        let (file, position, length) = (
            Arc::clone(&self.file),
            self.position,
            self.unread.min(piece_bytes),
        );
        if length == 0 {
            return;
        }
        self.position += length;
        self.unread -= length;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut piece = Piece::new(length)?;
            file.read_exact_at(&mut piece.bytes, position)?;
            Ok(Bytes::from_owner(piece))
        }));
    }
}

fn is_crowded() -> bool {
    IN_MEMORY_BYTES.load(Relaxed) > IN_MEMORY_BYTES_MAX
}

/// A piece of a file in memory, counted until it is dropped.
struct Piece {
    bytes: Vec<u8>,
}

impl Piece {
    fn new(length: u64) -> io::Result<Piece> {
        let bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        IN_MEMORY_BYTES.fetch_add(length, Relaxed);
        Ok(Piece { bytes })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        IN_MEMORY_BYTES.fetch_sub(self.bytes.len() as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::Write};

    use super::*;

    #[tokio::test]
    async fn pieces_grow_while_they_are_taken_and_hold_the_file_as_it_is() {
        let content: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&content).expect("its content");

        let mut reads = FileReads::new(file, 10, 900_000);
        let (mut read, mut lengths) = (Vec::new(), Vec::new());
        while read.len() < 900_000 {
            let piece = poll_fn(|cx| reads.poll_next(cx)).await.expect("a piece");
            lengths.push(piece.len() as u64);
            read.extend_from_slice(&piece);
        }
        assert!(read == content[10..900_010]);
        assert_eq!(lengths[..3], [FIRST_BYTES, 2 * FIRST_BYTES, PIECE_BYTES_MAX]);
        assert!(poll_fn(|cx| reads.poll_next(cx)).await.is_err());
    }

    #[tokio::test]
    async fn nothing_is_read_ahead_of_the_first_piece() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![7; 300_000]).expect("its content");
        let mut reads = FileReads::new(file, 0, 300_000);
        let piece = poll_fn(|cx| reads.poll_next(cx)).await.expect("a piece");
        assert_eq!(piece.len() as u64, FIRST_BYTES);
        assert!(reads.reading.is_none());
    }
}
