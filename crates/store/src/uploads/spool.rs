//! The bytes of an upload and their hash: in memory while they are few, then in a file.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ecru_model::{Digest, DigestAlgorithm};

use crate::blobs::hash_file;
use crate::files::{FileName, Files, Identity};
use crate::hash::Hasher;
use crate::received::{Held, Received};
use crate::tables::uploads::{Parts, Progress, Saved, UploadRow};
use crate::uploads::flush::{Flush, Flushed};
use crate::{StoreError, Tried};

/// Up to this size the bytes are stored in a row, of the upload and then of the blob.
pub(crate) const ROW_SIZE_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct Spool {
    files: Arc<Files>,
    hasher: Hasher,
    offset: u64,
    store: Store,
}

enum Store {
    Memory(Vec<u8>),
    File(Open),
}

struct Open {
    name: FileName,
    /// `None` while no session holds the upload: otherwise thousands of abandoned uploads would each hold a
    /// descriptor.
    file: Option<Arc<File>>,
    synced: u64,
    flush: Option<Flush>,
}

/// The resources that the spool of an idle upload still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    /// A file, or a flush in progress.
    Busy,
}

/// A position of a spool, to go back to.
pub(crate) struct Mark {
    hasher: Hasher,
    offset: u64,
    memory: Option<Vec<u8>>,
}

impl Spool {
    pub(crate) fn new(files: Arc<Files>, algorithm: DigestAlgorithm) -> Spool {
        Spool {
            files,
            hasher: Hasher::new(algorithm),
            offset: 0,
            store: Store::Memory(Vec::new()),
        }
    }

    /// Loads the bytes that the row records. Bytes of the file beyond them were never acknowledged.
    pub(crate) fn load(files: Arc<Files>, row: &UploadRow) -> Result<Spool, StoreError> {
        let offset = row.saved.offset;
        let Some(name) = row.saved.file else {
            let bytes = row.bytes.clone().unwrap_or_default();
            let mut hasher = Hasher::new(row.algorithm);
            hasher.update(&bytes);
            return Ok(Spool {
                files,
                hasher,
                offset: bytes.len() as u64,
                store: Store::Memory(bytes),
            });
        };

        let file = files.open_to_write(name).tried("open the file of an upload")?;
        if file.metadata().tried("look at the file of an upload")?.len() < offset {
            return Err(StoreError::damaged("the file of an upload is cut short"));
        }
        file.set_len(offset).tried("cut the file of an upload")?;

        let state = row
            .hash_state
            .as_deref()
            .and_then(|state| Hasher::restore(row.algorithm, state));
        let hasher = match state {
            Some(hasher) => hasher,
            None => {
                hash_file(&file, offset, Hasher::new(row.algorithm)).tried("read the file of an upload")?
            }
        };
        let open = Open {
            name,
            file: Some(Arc::new(file)),
            synced: offset,
            flush: None,
        };
        Ok(Spool {
            files,
            hasher,
            offset,
            store: Store::File(open),
        })
    }

    pub(crate) fn files(&self) -> &Arc<Files> {
        &self.files
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn file(&self) -> Option<FileName> {
        match &self.store {
            Store::Memory(_) => None,
            Store::File(open) => Some(open.name),
        }
    }

    /// Whether `more` bytes fit without touching the disk.
    pub(crate) fn fits_in_memory(&self, more: usize) -> bool {
        match &self.store {
            Store::Memory(bytes) => bytes.len() + more <= ROW_SIZE_BYTES_MAX,
            Store::File(_) => false,
        }
    }

    /// The number of bytes in a file that a power cut would lose.
    pub(crate) fn unsynced(&self) -> u64 {
        match &self.store {
            Store::Memory(_) => 0,
            Store::File(open) => self.offset - open.synced.min(self.offset),
        }
    }

    /// The number of bytes since the last flush began.
    pub(crate) fn unflushed(&self) -> u64 {
        match &self.store {
            Store::Memory(_) => 0,
            Store::File(open) => {
                let begun = open.flush.as_ref().map_or(open.synced, |flush| flush.offset);
                self.offset.saturating_sub(begun)
            }
        }
    }

    /// Ends the flush in progress, if there is one, and begins the next.
    pub(crate) fn flush_on(&mut self) -> io::Result<Option<Flushed>> {
        let flushed = self.end_flush()?;
        if !self.begin_flush()? {
            // No thread is available.
            self.sync()?;
        }
        Ok(flushed)
    }

    /// Returns `false` if the flush needs a thread and none is available.
    fn begin_flush(&mut self) -> io::Result<bool> {
        let hash_state = self.hasher.save();
        let Store::File(open) = &mut self.store else {
            return Ok(true);
        };
        let file = open.file(&self.files, self.offset)?;
        let begun = Flush::begin(&self.files, &file, self.offset, hash_state);
        open.flush = begun.ok();
        Ok(open.flush.is_some())
    }

    /// Closes the file without waiting. Bytes since the last flush are flushed first, since the system
    /// reports a disk error only to processes that have the file open.
    pub(crate) fn rest(&mut self) -> io::Result<Rest> {
        let Store::File(open) = &mut self.store else {
            return Ok(Rest::Nothing);
        };
        if open.flush.as_ref().is_some_and(|flush| !flush.is_over()) {
            return Ok(Rest::Busy);
        }
        self.end_flush()?;
        let is_synced = self.unsynced() == 0;
        let Store::File(open) = &mut self.store else {
            return Ok(Rest::Nothing);
        };
        if is_synced {
            open.file = None;
            return Ok(Rest::Nothing);
        }
        if self.begin_flush()?
            && let Store::File(open) = &mut self.store
        {
            open.file = None;
        }
        Ok(Rest::Busy)
    }

    pub(crate) fn holds_file(&self) -> bool {
        matches!(&self.store, Store::File(open) if open.file.is_some() || open.flush.is_some())
    }

    fn end_flush(&mut self) -> io::Result<Option<Flushed>> {
        let Store::File(open) = &mut self.store else {
            return Ok(None);
        };
        let Some(flush) = open.flush.take() else {
            return Ok(None);
        };
        let flushed = flush.end()?;
        open.synced = flushed.offset;
        Ok(Some(flushed))
    }

    /// Writes all of the bytes or, on failure, none.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Store::Memory(memory) = &mut self.store {
            if memory.len() + bytes.len() <= ROW_SIZE_BYTES_MAX {
                memory.extend_from_slice(bytes);
                self.hasher.update(bytes);
                self.offset += bytes.len() as u64;
                return Ok(());
            }
            self.store = Store::File(outgrow(&self.files, memory)?);
        }
        if let Store::File(open) = &mut self.store {
            // Hashing comes first: it tolerates bytes that are in another core's cache, and the copy then
            // finds them near.
            let before = self.hasher.clone();
            self.hasher.update(bytes);
            let file = open.file(&self.files, self.offset);
            let written = file.and_then(|file| self.files.io().write_at(&file, bytes, self.offset));
            if let Err(error) = written {
                self.hasher = before;
                return Err(error);
            }
            self.offset += bytes.len() as u64;
        }
        Ok(())
    }

    /// After a failure, the file's content beyond the last successful sync is unknown.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.end_flush()?;
        if let Store::File(open) = &mut self.store
            && open.synced != self.offset
        {
            let file = open.file(&self.files, self.offset)?;
            self.files.io().sync(&file)?;
            open.synced = self.offset;
        }
        Ok(())
    }

    pub(crate) fn mark(&self) -> Mark {
        let memory = match &self.store {
            Store::Memory(bytes) => Some(bytes.clone()),
            Store::File(_) => None,
        };
        Mark {
            hasher: self.hasher.clone(),
            offset: self.offset,
            memory,
        }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.hasher = mark.hasher;
        self.offset = mark.offset;
        match (&mut self.store, mark.memory) {
            (store, Some(bytes)) => {
                if let Store::File(open) = store {
                    self.files.unlink_later(open.name);
                }
                *store = Store::Memory(bytes);
            }
            (Store::File(open), None) => {
                open.synced = open.synced.min(mark.offset);
                if let Some(flush) = &mut open.flush {
                    flush.cut(mark.offset);
                }
            }
            (Store::Memory(_), None) => {}
        }
    }

    /// The state for the row, once all of it is synced.
    pub(crate) fn saved(&self) -> Saved {
        Saved {
            offset: self.offset,
            file: self.file(),
        }
    }

    pub(crate) fn progress(&self, parts: Parts) -> Progress {
        let (hash_state, bytes) = match &self.store {
            Store::Memory(bytes) => (None, Some(bytes.clone())),
            Store::File(_) => (Some(self.hasher.save()), None),
        };
        Progress {
            saved: self.saved(),
            hash_state,
            bytes,
            parts,
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.hasher.digest()
    }

    pub(crate) fn algorithm(&self) -> DigestAlgorithm {
        self.hasher.algorithm()
    }

    /// The digest by an algorithm other than the one that ran during the upload.
    pub(crate) fn digest_by(&mut self, algorithm: DigestAlgorithm) -> io::Result<Digest> {
        match &mut self.store {
            Store::Memory(bytes) => Ok(Digest::computed(algorithm, bytes)),
            Store::File(open) => {
                let file = open.file(&self.files, self.offset)?;
                hash_file(&file, self.offset, Hasher::new(algorithm)).map(|hasher| hasher.digest())
            }
        }
    }

    /// Puts all bytes on stable storage, under a digest that was computed from them.
    pub(crate) fn finish(&mut self, digest: Digest) -> io::Result<Received> {
        self.end_flush()?;
        if let Store::File(open) = &mut self.store {
            let file = open.file(&self.files, self.offset)?;
            if file.metadata()?.len() != self.offset {
                file.set_len(self.offset)?;
                open.synced = 0;
            }
        }
        self.sync()?;

        let held = match &mut self.store {
            Store::Memory(bytes) => Held::Bytes(Bytes::copy_from_slice(bytes)),
            Store::File(open) => Held::File {
                name: open.name,
                identity: Identity::of(&*open.file(&self.files, self.offset)?)?,
            },
        };
        Ok(Received::new(digest, self.offset, held, self.files.clone()))
    }
}

impl Open {
    /// Returns the file, and opens it again if the upload has rested. It must still hold all received bytes.
    fn file(&mut self, files: &Files, offset: u64) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let file = Arc::new(files.open_to_write(self.name)?);
        if file.metadata()?.len() < offset {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file of an upload is cut short",
            ));
        }
        self.file = Some(file.clone());
        Ok(file)
    }
}

fn outgrow(files: &Files, memory: &[u8]) -> io::Result<Open> {
    let (name, file) = files.create()?;
    if let Err(error) = files.io().write_at(&file, memory, 0) {
        files.unlink_quietly(name);
        return Err(error);
    }
    Ok(Open {
        name,
        file: Some(Arc::new(file)),
        synced: 0,
        flush: None,
    })
}
