//! A stream that is flushed while it goes on. One flush fails, and the bytes that it should cover do not
//! count as safe.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ecru_model::{Digest, DigestAlgorithm};
use ecru_store::{ByteSource, Disk, Durability, Flushing, Foundation, Io, Options, Store};
use tempfile::TempDir;

use crate::push::{REPOSITORY, add_repository, publish};

const NOW: i64 = 1_700_000_000_000;
const PIECE_BYTES: usize = 1 << 20;
/// Enough pieces for two flushes to begin before the last one.
const PIECES: usize = 40;
const FLUSHES: i64 = 3;

#[tokio::test]
async fn a_stream_is_not_published_when_one_of_its_flushes_has_failed() {
    for refused in 1..=FLUSHES {
        assert!(!is_published(refused).await, "flush {refused} has failed");
    }
    assert!(is_published(FLUSHES + 1).await, "no flush has failed");
}

/// The system reports a failed flush once: all later flushes succeed.
async fn is_published(refused: i64) -> bool {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut foundation = Foundation::new(&Options {
        directory: data.clone(),
        ephemeral: true,
    });
    foundation.io = Arc::new(RefusesOnce {
        disk: Disk::new(Flushing::Never),
        left: AtomicI64::new(refused),
    });
    foundation.probe_interval = Duration::from_millis(1);
    let store = Store::open_on(&data, foundation).unwrap();
    add_repository(&store).await;

    let begun = store.uploads().begin(REPOSITORY, DigestAlgorithm::Sha256, NOW);
    let id = begun.await.unwrap();
    let mut upload = store.uploads().take(REPOSITORY, &id).await.unwrap();
    let mut source = Pieces { given: 0 };
    let appended = upload.append(&mut source, Durability::Streamed, u64::MAX).await;
    let digest = Digest::of(&(0..PIECES).map(piece).collect::<Vec<_>>().concat());
    let completed = upload.complete(&[digest], publish(&store)).await;

    let found = store.read(|at| store.blobs().find(at, &digest)).await.unwrap();
    assert_eq!(appended.is_ok() && completed.is_ok(), found.is_some());
    found.is_some()
}

fn piece(number: usize) -> Vec<u8> {
    number.to_le_bytes().repeat(PIECE_BYTES / size_of::<usize>())
}

struct Pieces {
    given: usize,
}

impl ByteSource for Pieces {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.given += 1;
        (self.given <= PIECES).then(|| Ok(Bytes::from(piece(self.given - 1))))
    }
}

struct RefusesOnce {
    disk: Disk,
    left: AtomicI64,
}

impl Io for RefusesOnce {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.disk.open(path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<File> {
        self.disk.open_to_write(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write_at(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(io::Error::other("the disk is broken"));
        }
        self.disk.sync(file)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_directory(path)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }
}
