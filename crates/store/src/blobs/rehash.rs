//! Hashes a file again after its identity has changed: it was edited, cut, or restored from a copy.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use ecru_model::Digest;
use tokio::sync::{Mutex as Turn, Semaphore};

use crate::core::{Core, off_thread};
use crate::files::{FileName, Identity};
use crate::hash::Hasher;
use crate::io::is_no_file;
use crate::tables::blobs::{self, Blob, Place};
use crate::{StoreError, Tried};

const READ_SIZE_BYTES: usize = 256 * 1024;
const FILES_AT_ONCE_MAX: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Intact,
    Damaged,
    Missing,
}

/// A caller that asks for a file while it is being hashed waits for that result, and does not hash it again.
pub(crate) struct Rehash {
    core: Arc<Core>,
    turns: Mutex<HashMap<FileName, Arc<Turn<()>>>>,
    permits: Semaphore,
}

impl Rehash {
    pub(crate) fn new(core: Arc<Core>) -> Rehash {
        Rehash {
            core,
            turns: Mutex::default(),
            permits: Semaphore::new(FILES_AT_ONCE_MAX),
        }
    }

    pub(crate) async fn verdict(&self, blob: &Blob, name: FileName) -> Result<Verdict, StoreError> {
        let turn = self.lock_turns().entry(name).or_default().clone();
        let _turn = turn.lock().await;
        let _permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;

        let verdict = match self.known(blob, name).await? {
            Some(verdict) => verdict,
            None => self.hash_and_record(blob, name).await?,
        };
        self.lock_turns().remove(&name);
        Ok(verdict)
    }

    /// Reads the row again: another caller may just have hashed the file.
    async fn known(&self, blob: &Blob, name: FileName) -> Result<Option<Verdict>, StoreError> {
        let Some(row) = self.core.read(|at| blobs::find(at, &blob.digest)).await? else {
            return Ok(Some(Verdict::Missing));
        };
        match row.place {
            Place::File { name: named, .. } if named != name => Ok(Some(Verdict::Missing)),
            Place::Row => Ok(Some(Verdict::Missing)),
            Place::File { .. } if row.damaged => Ok(Some(Verdict::Damaged)),
            Place::File { identity, .. } => {
                let file = match self.core.files.open(name) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Ok(Some(Verdict::Missing));
                    }
                    other => other.tried("open a blob")?,
                };
                let same = Identity::of(&file).tried("look at a blob")? == identity;
                Ok(same.then_some(Verdict::Intact))
            }
        }
    }

    async fn hash_and_record(&self, blob: &Blob, name: FileName) -> Result<Verdict, StoreError> {
        let (files, algorithm) = (self.core.files.clone(), blob.digest.algorithm());
        let (digest, identity) = off_thread(move || {
            let file = files.open(name).tried("open a blob")?;
            let before = Identity::of(&file).tried("look at a blob")?;
            let digest = match hash_file(&file, u64::MAX, Hasher::new(algorithm)) {
                Ok(hasher) => hasher.digest(),
                Err(error) if is_no_file(&error) => return Ok((None, None)),
                Err(error) => return Err(error).tried("read a blob"),
            };
            let after = Identity::of(&file).tried("look at a blob")?;
            Ok((Some(digest), (before == after).then_some(before)))
        })
        .await?;

        match identity {
            Some(identity) if digest == Some(blob.digest) => {
                self.record(&blob.digest, name, identity).await;
                Ok(Verdict::Intact)
            }
            _ => Ok(Verdict::Damaged),
        }
    }

    async fn record(&self, digest: &Digest, name: FileName, identity: Identity) {
        tracing::info!(%digest, "a changed file still has the bytes of its blob");
        let verified = *digest;
        let recorded = self
            .core
            .write(move |tx| blobs::set_identity(tx, &verified, name, &identity))
            .await;
        if let Err(error) = recorded {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%digest, error, "a verified file will be hashed again");
        }
    }

    fn lock_turns(&self) -> std::sync::MutexGuard<'_, HashMap<FileName, Arc<Turn<()>>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes the first `length_max` bytes of a file.
pub(crate) fn hash_file(file: &File, length_max: u64, mut hasher: Hasher) -> io::Result<Hasher> {
    let mut buffer = vec![0; READ_SIZE_BYTES];
    let mut offset = 0;
    while offset < length_max {
        let wanted = usize::try_from(length_max - offset)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let space = buffer.get_mut(..wanted).unwrap_or_default();
        let read = match file.read_at(space, offset) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(space.get(..read).unwrap_or_default());
        offset += read as u64;
    }
    Ok(hasher)
}
