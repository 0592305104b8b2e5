//! Blobs: stored once, and readable while their bytes are the bytes that were verified.

mod rehash;

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ecru_model::Digest;

pub(crate) use crate::blobs::rehash::hash_file;
use crate::blobs::rehash::{Rehash, Verdict};
use crate::core::Core;
use crate::files::{FileName, Identity};
use crate::io::is_no_file;
use crate::tables;
use crate::tables::blobs::{Blob, Place};
use crate::{Received, Snapshot, StoreError, Tried, Tx};

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("the blob is not stored any more")]
    Missing,

    #[error("the stored bytes are not those of the digest")]
    Damaged,

    #[error("the blob could not be read")]
    Io(#[source] io::Error),

    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A blob opened for reading.
#[derive(Debug)]
pub struct BlobReader {
    size: u64,
    content: BlobContent,
}

#[derive(Debug)]
pub enum BlobContent {
    Bytes(Bytes),
    File(File),
}

impl BlobReader {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn content(&self) -> &BlobContent {
        &self.content
    }

    pub fn into_content(self) -> BlobContent {
        self.content
    }
}

pub struct Blobs {
    core: Arc<Core>,
    rehash: Rehash,
}

impl Blobs {
    pub(crate) fn new(core: Arc<Core>) -> Blobs {
        Blobs {
            rehash: Rehash::new(core.clone()),
            core,
        }
    }

    pub fn find(&self, at: &Snapshot<'_>, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        tables::blobs::find(at, digest)
    }

    /// Returns the id of the blob's row: the existing row, unless it is known to be damaged, or a new one.
    pub fn insert(&self, tx: &Tx<'_>, received: &Received) -> Result<i64, StoreError> {
        received.insert(tx)
    }

    /// A push or the collection may replace the blob between the read of its row and the opening of its file.
    pub async fn open(&self, blob: &Blob) -> Result<BlobReader, BlobError> {
        match self.open_as_found(blob).await {
            Err(BlobError::Missing) => {}
            other => return other,
        }
        match self.core.read(|at| tables::blobs::find(at, &blob.digest)).await? {
            Some(now) if now.place != blob.place => self.open_as_found(&now).await,
            Some(now) => {
                self.record_damage(&now).await;
                Err(BlobError::Damaged)
            }
            None => Err(BlobError::Missing),
        }
    }

    /// Whether the blob can be read, for callers that do not need its bytes.
    pub async fn check(&self, blob: &Blob) -> Result<bool, StoreError> {
        if !blob.damaged && blob.place == Place::Row {
            return Ok(true);
        }
        match self.open(blob).await {
            Ok(_) => Ok(true),
            Err(BlobError::Missing | BlobError::Damaged) => Ok(false),
            Err(BlobError::Io(source)) => Err(source).tried("open a blob"),
            Err(BlobError::Store(error)) => Err(error),
        }
    }

    async fn open_as_found(&self, blob: &Blob) -> Result<BlobReader, BlobError> {
        if blob.damaged {
            return Err(BlobError::Damaged);
        }
        let (size, content) = match &blob.place {
            Place::Row => {
                let bytes = self.verified_bytes(blob).await?;
                (bytes.len() as u64, BlobContent::Bytes(bytes))
            }
            Place::File { name, identity } => {
                let (size, file) = self.verified_file(blob, *name, identity).await?;
                (size, BlobContent::File(file))
            }
        };
        // Other requests answer with the size of the row, so content of another size must not be served.
        if size != blob.size {
            self.record_damage(blob).await;
            return Err(BlobError::Damaged);
        }
        Ok(BlobReader { size, content })
    }

    /// Blobs in rows are small, so they are hashed at each read.
    async fn verified_bytes(&self, blob: &Blob) -> Result<Bytes, BlobError> {
        let bytes = self
            .core
            .read(|at| tables::blobs::find_bytes(at, &blob.digest))
            .await?;
        let bytes = Bytes::from(bytes.ok_or(BlobError::Missing)?);
        if Digest::computed(blob.digest.algorithm(), &bytes) == blob.digest {
            return Ok(bytes);
        }
        self.record_damage(blob).await;
        Err(BlobError::Damaged)
    }

    /// Returns the file and its size, from the same `fstat` that shows whether the file has changed.
    async fn verified_file(
        &self,
        blob: &Blob,
        name: FileName,
        verified: &Identity,
    ) -> Result<(u64, File), BlobError> {
        let file = match self.core.files.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BlobError::Missing),
            Err(error) if is_no_file(&error) => {
                self.record_damage(blob).await;
                return Err(BlobError::Damaged);
            }
            Err(error) => return Err(BlobError::Io(error)),
        };
        let found = Identity::of(&file).map_err(BlobError::Io)?;
        let size = found.size().unwrap_or_default();
        if found == *verified {
            return Ok((size, file));
        }

        match self.rehash.verdict(blob, name).await? {
            Verdict::Intact => Ok((size, file)),
            Verdict::Missing => Err(BlobError::Missing),
            Verdict::Damaged => {
                self.record_damage(blob).await;
                Err(BlobError::Damaged)
            }
        }
    }

    /// The caller gets the same answer whether or not the damage can be recorded.
    async fn record_damage(&self, blob: &Blob) {
        tracing::error!(digest = %blob.digest, "a blob is damaged");
        let found = blob.clone();
        if let Err(error) = self
            .core
            .write(move |tx| tables::blobs::set_damaged(tx, &found))
            .await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(digest = %blob.digest, error, "the damage could not be recorded");
        }
    }
}
