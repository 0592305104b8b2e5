//! The store as a whole.

mod announcements;
mod backup;
mod blobs;
mod collection;
mod completion;
mod migrations;
mod privacy;
mod rows;
mod uploads;
mod verify;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use ecru_model::{Digest, DigestAlgorithm};
use tempfile::TempDir;

use crate::*;

const REPOSITORY: i64 = 1;
const OTHER_REPOSITORY: i64 = 2;
const NOW: i64 = 1_700_000_000_000;
const DAY: i64 = 24 * 60 * 60 * 1_000;
const ANY_SIZE: u64 = u64::MAX;
/// The size of a blob that is stored in its row, and of one that is stored in a file.
const SMALL: usize = 1_000;
const LARGE: usize = 300_000;

fn options(directory: &Path) -> Options {
    Options {
        directory: directory.to_owned(),
        ephemeral: false,
    }
}

fn open(directory: &Path) -> Store {
    Store::open(&options(directory)).unwrap()
}

/// A store with two repositories.
struct Fixture {
    directory: TempDir,
    store: Store,
}

impl Fixture {
    async fn new() -> Fixture {
        let directory = TempDir::new().unwrap();
        let store = open(directory.path());
        store
            .write(|tx| {
                for id in [REPOSITORY, OTHER_REPOSITORY] {
                    tx.execute(
                        "INSERT INTO repositories (id, account, region, name, created_at, tag_mutability,
                                                   scan_on_push, encryption_type)
                         VALUES (?1, '000000000000', 'us-east-1', 'r' || ?1, 0, 'MUTABLE', 0, 'AES256')",
                        &[id.into()],
                    )?;
                    tx.execute(
                        "INSERT INTO repository_counters (repository_id, images, push_sequence) VALUES (?1, 0, 0)",
                        &[id.into()],
                    )?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        Fixture { directory, store }
    }

    async fn reopened(self) -> Fixture {
        self.store.close().await;
        drop(self.store);
        let store = open(self.directory.path());
        Fixture {
            directory: self.directory,
            store,
        }
    }

    /// When the store was opened, in milliseconds since 1970.
    fn opened_at(&self) -> i64 {
        let lock = std::fs::metadata(self.directory.path().join("lock")).unwrap();
        let age = lock
            .modified()
            .unwrap()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        i64::try_from(age.as_millis()).unwrap()
    }

    async fn begin(&self) -> UploadId {
        self.store
            .uploads()
            .begin(REPOSITORY, DigestAlgorithm::Sha256, NOW)
            .await
            .unwrap()
    }

    async fn take(&self, id: &UploadId) -> Upload {
        self.store.uploads().take(REPOSITORY, id).await.unwrap()
    }

    /// Pushes a blob as a client would.
    async fn push(&self, bytes: &[u8]) -> Digest {
        let mut upload = self.take(&self.begin().await).await;
        upload
            .append(&mut Chunks::of(bytes), Durability::Streamed, ANY_SIZE)
            .await
            .unwrap();
        let digest = Digest::of(bytes);
        self.complete(upload, &digest).await.unwrap();
        digest
    }

    async fn complete(&self, upload: Upload, digest: &Digest) -> Result<i64, CompleteError<StoreError>> {
        upload
            .complete(std::slice::from_ref(digest), publish(&self.store))
            .await
    }

    fn find(&self, digest: &Digest) -> Option<Blob> {
        self.store
            .read(|at| self.store.blobs().find(at, digest))
            .at_once()
            .unwrap()
    }

    async fn read(&self, digest: &Digest) -> Result<Vec<u8>, BlobError> {
        let reader = self
            .store
            .blobs()
            .open(&self.find(digest).expect("the blob is stored"))
            .await?;
        let size = reader.size();
        let bytes = match reader.into_content() {
            BlobContent::Bytes(bytes) => bytes.to_vec(),
            BlobContent::File(file) => io::read_to_string(file).unwrap().into_bytes(),
        };
        assert_eq!(bytes.len() as u64, size);
        Ok(bytes)
    }

    /// Every blob file, whether or not a row names it.
    fn files(&self) -> Vec<PathBuf> {
        let directories = std::fs::read_dir(self.directory.path().join("blobs")).unwrap();
        directories
            .flat_map(|directory| std::fs::read_dir(directory.unwrap().path()).unwrap())
            .map(|file| file.unwrap().path())
            .collect()
    }

    fn only_file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1);
        files[0].clone()
    }
}

async fn append(upload: &mut Upload, bytes: &[u8], durability: Durability) -> Result<u64, AppendError> {
    upload.append(&mut Chunks::of(bytes), durability, ANY_SIZE).await
}

/// The registry's part at the end of an upload, as far as it concerns the store.
fn publish(store: &Store) -> impl Fn(&Tx<'_>, &Received) -> Result<i64, StoreError> + Send + 'static {
    let store = store.clone();
    move |tx, received| {
        let id = store.blobs().insert(tx, received)?;
        links::insert(tx, REPOSITORY, id, NOW)?;
        Ok(id)
    }
}

/// A body in chunks, which may break off.
struct Chunks(VecDeque<io::Result<Bytes>>);

impl Chunks {
    fn of(bytes: &[u8]) -> Chunks {
        Chunks(
            bytes
                .chunks(10_000)
                .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
                .collect(),
        )
    }

    fn broken_after(bytes: &[u8]) -> Chunks {
        let mut chunks = Chunks::of(bytes);
        chunks.0.push_back(Err(io::ErrorKind::ConnectionReset.into()));
        chunks
    }
}

impl ByteSource for Chunks {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.0.pop_front()
    }
}

/// Returns its bytes in bursts, with pauses between some of them.
struct Paced {
    chunks: Chunks,
    pace: usize,
}

impl ByteSource for Paced {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let left = self.chunks.0.len();
        for _ in 0..left * self.pace % 53 {
            tokio::task::yield_now().await;
        }
        self.chunks.next().await
    }
}

/// Returns its bytes, then stalls.
struct Stalled(Chunks);

impl ByteSource for Stalled {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        match self.0.0.pop_front() {
            Some(chunk) => Some(chunk),
            None => std::future::pending().await,
        }
    }
}

/// Text of a given length; different lengths make different blobs.
fn text(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| *b"abcdefghijklmnopqrstuvwxyz".get(at / 7 % 26).unwrap())
        .collect()
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A future that needs no waiting, as those of reads are on a database in a file.
pub(crate) trait AtOnce: Future + Sized {
    fn at_once(self) -> Self::Output {
        let mut context = Context::from_waker(Waker::noop());
        match std::pin::pin!(self).poll(&mut context) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it has to wait"),
        }
    }
}

impl<F: Future> AtOnce for F {}
