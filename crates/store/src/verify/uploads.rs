//! Compares unfinished uploads with the bytes that they have received.

use std::io;
use std::sync::Arc;

use crate::blobs::hash_file;
use crate::core::{Core, off_thread};
use crate::files::FileName;
use crate::hash::Hasher;
use crate::report::Report;
use crate::tables::uploads::{self, Parts, UploadRow};
use crate::{StoreError, Tried, UploadId};

const UPLOADS_AT_ONCE: i64 = 50;

/// Returns the number of damaged uploads; each is reported in a line.
pub(super) async fn verify(core: &Arc<Core>, report: &Report) -> Result<u64, StoreError> {
    let (mut last, mut damaged) = (Vec::new(), 0);
    loop {
        let after = last.clone();
        let found = core
            .readers
            .read_many(move |at| uploads::list_after(at, &after, UPLOADS_AT_ONCE))
            .await?;
        let Some((end, _)) = found.last() else {
            return Ok(damaged);
        };
        last = end.as_bytes().to_vec();
        for (id, row) in found {
            report.check_heard()?;
            if let Some(complaint) = complaint(core, id, row).await? {
                damaged += 1;
                report.say(format!("upload {id} {complaint}")).await?;
            }
        }
    }
}

async fn complaint(core: &Arc<Core>, id: UploadId, row: UploadRow) -> Result<Option<String>, StoreError> {
    let core = core.clone();
    off_thread(move || {
        let found = match parts(row.parts) {
            None => bytes(&core, &row)?,
            found => found,
        };
        // Since the list was read, a request may have changed or ended the upload.
        let now = core.readers.read(|at| uploads::find(at, &id))?;
        Ok(found.filter(|_| now.is_some_and(|now| now == row)))
    })
    .await
}

fn parts(parts: Parts) -> Option<String> {
    let has_inner = parts.count > 1;
    let right = parts.smallest_inner.is_some() == has_inner && (parts.count > 0 || parts.last_size == 0);
    (!right).then(|| "counts other parts than it has sizes for".to_owned())
}

fn bytes(core: &Core, row: &UploadRow) -> Result<Option<String>, StoreError> {
    let offset = row.saved.offset;
    if let Some(name) = row.saved.file {
        return file(core, row, name);
    }
    let held = row.bytes.as_ref().map_or(0, Vec::len) as u64;
    Ok((held != offset).then(|| format!("holds {held} bytes instead of {offset}")))
}

fn file(core: &Core, row: &UploadRow, name: FileName) -> Result<Option<String>, StoreError> {
    let offset = row.saved.offset;
    let file = match core.files.open(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some(format!("is missing: there is no file {name}")));
        }
        Err(error) => return Ok(Some(format!("cannot be read: {error}"))),
        Ok(file) => file,
    };
    let length = file.metadata().tried("look at the file of an upload")?.len();
    if length < offset {
        return Ok(Some(format!(
            "has {length} bytes instead of {offset} (file {name})"
        )));
    }
    // A hash state of another version is ignored.
    let state = row.hash_state.as_deref();
    let Some(kept) = state.and_then(|state| Hasher::restore(row.algorithm, state)) else {
        return Ok(None);
    };
    let computed = hash_file(&file, offset, Hasher::new(row.algorithm)).tried("read an upload")?;
    Ok((computed.digest() != kept.digest())
        .then(|| format!("has other bytes than were hashed (file {name})")))
}
