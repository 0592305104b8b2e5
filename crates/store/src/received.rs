//! A blob that has been received whole, verified and put on stable storage, but that no row names yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ecru_model::Digest;

use crate::files::{FileName, Files, Identity};
use crate::tables::blobs::{self, Content};
use crate::{StoreError, Tx};

/// Bytes whose digest is known. Bytes that no transaction has claimed are removed when this value is dropped.
pub struct Received {
    digest: Digest,
    size: u64,
    held: Held,
    files: Arc<Files>,
    claimed: AtomicBool,
}

pub(crate) enum Held {
    Bytes(Bytes),
    File { name: FileName, identity: Identity },
}

impl Received {
    pub(crate) fn new(digest: Digest, size: u64, held: Held, files: Arc<Files>) -> Received {
        Received {
            digest,
            size,
            held,
            files,
            claimed: AtomicBool::new(false),
        }
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the blob's row: the existing one, or a new one that names these bytes.
    pub(crate) fn insert(&self, tx: &Tx<'_>) -> Result<i64, StoreError> {
        match blobs::find(tx, &self.digest)? {
            Some(stands) if !stands.damaged => Ok(stands.id),
            Some(damaged) => {
                self.claim();
                blobs::mend(tx, damaged.id, self.size, &self.content()).map(|()| damaged.id)
            }
            None => {
                self.claim();
                blobs::insert(tx, &self.digest, self.size, &self.content())
            }
        }
    }

    /// Once a row may name the file, the file is kept even if the commit fails: the outcome of a failed
    /// commit is unknown.
    fn claim(&self) {
        self.claimed.store(true, Ordering::Release);
    }

    pub(crate) fn keep(&self) {
        self.claim();
    }

    fn content(&self) -> Content<'_> {
        match &self.held {
            Held::Bytes(bytes) => Content::Bytes(bytes),
            Held::File { name, identity } => Content::File {
                name: *name,
                identity,
            },
        }
    }

    /// Returns the file that no row needs, for a caller that removes it itself.
    pub(crate) fn take_unclaimed(&self) -> Option<FileName> {
        match &self.held {
            Held::File { name, .. } if !self.claimed.swap(true, Ordering::AcqRel) => Some(*name),
            _ => None,
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(name) = self.take_unclaimed() {
            self.files.unlink_later(name);
        }
    }
}
