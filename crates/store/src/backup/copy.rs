//! Copies one file. The bytes are hashed on the way, and the name appears only when the file is whole.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ecru_model::Digest;

use crate::hash::Hasher;
use crate::io::{open_regular, replace_private};
use crate::tables::blobs::Blob;

const CHUNK_BYTES: usize = 256 * 1024;
pub(super) const UNFINISHED: &str = "part";

/// Why a file was not copied.
pub(super) enum NotCopied {
    /// The source cannot be read, or its content is wrong.
    Source(String),
    Target(io::Error),
}

/// Copies the bytes and the modification time of a blob. Fails if the digest or the size differs from its
/// row.
pub(super) fn copy_blob(blob: &Blob, from: &Path, to: &Path) -> Result<File, NotCopied> {
    let unreadable = |error: io::Error| {
        NotCopied::Source(match error.kind() {
            io::ErrorKind::NotFound => "its file is missing".to_owned(),
            _ => format!("its file cannot be read: {error}"),
        })
    };
    let mut source = open_regular(from).map_err(unreadable)?;
    let metadata = source.metadata().map_err(unreadable)?;
    let written_at = metadata.modified().map_err(unreadable)?;
    check_size(blob, metadata.len())?;

    let begun = unfinished(to);
    let mut target = replace_private(&begun).map_err(NotCopied::Target)?;
    let mut hasher = Hasher::new(blob.digest.algorithm());
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut copied = 0;
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        copied += chunk.len() as u64;
        if copied > blob.size {
            check_size(blob, copied)?;
        }
        hasher.update(chunk);
        target.write_all(chunk).map_err(NotCopied::Target)?;
    }
    check_size(blob, copied)?;
    check(blob, hasher.digest())?;
    settle(&target, written_at)
        .and_then(|()| fs::rename(&begun, to))
        .map_err(NotCopied::Target)?;
    Ok(target)
}

fn check(blob: &Blob, computed: Digest) -> Result<(), NotCopied> {
    if computed == blob.digest {
        return Ok(());
    }
    Err(NotCopied::Source(format!("its bytes are those of {computed}")))
}

fn check_size(blob: &Blob, size: u64) -> Result<(), NotCopied> {
    if size == blob.size {
        return Ok(());
    }
    Err(NotCopied::Source(format!(
        "it has {size} bytes instead of {}",
        blob.size
    )))
}

fn settle(file: &File, written_at: SystemTime) -> io::Result<()> {
    file.set_modified(written_at)?;
    file.sync_all()
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension(UNFINISHED)
}
