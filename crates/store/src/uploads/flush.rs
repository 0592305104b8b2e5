//! A flush that runs while later bytes are written.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::files::Files;

/// Covers the bytes that were in the file before the flush began. The system reports a failed flush only
/// once, to this flush. It must therefore be ended before the file counts as safe.
pub(crate) struct Flush {
    /// The length that the flush makes durable, and the state of the hash at that length.
    pub(crate) offset: u64,
    hash_state: Option<Vec<u8>>,
    thread: JoinHandle<io::Result<()>>,
}

/// A part of a file that is on stable storage, and the state of the hash after it.
pub(crate) struct Flushed {
    pub(crate) offset: u64,
    pub(crate) hash_state: Option<Vec<u8>>,
}

impl Flush {
    /// Runs outside the threads of the runtime, which would wait for it.
    pub(crate) fn begin(
        files: &Arc<Files>,
        file: &Arc<File>,
        offset: u64,
        hash_state: Vec<u8>,
    ) -> io::Result<Flush> {
        let (files, file) = (files.clone(), file.clone());
        let thread = std::thread::Builder::new()
            .name("store-flush".to_owned())
            .spawn(move || files.io().sync(&file))?;
        Ok(Flush {
            offset,
            hash_state: Some(hash_state),
            thread,
        })
    }

    /// The bytes beyond `offset` are about to be overwritten.
    pub(crate) fn cut(&mut self, offset: u64) {
        if offset < self.offset {
            self.offset = offset;
            self.hash_state = None;
        }
    }

    /// Whether ending the flush would not block.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    pub(crate) fn end(self) -> io::Result<Flushed> {
        let flushed = self.thread.join();
        flushed.unwrap_or_else(|_| Err(io::Error::other("a flush panicked")))?;
        Ok(Flushed {
            offset: self.offset,
            hash_state: self.hash_state,
        })
    }
}
