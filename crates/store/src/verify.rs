//! Reads everything again, and compares it with what was stored.

mod uploads;

use std::io;
use std::sync::Arc;

use ecru_model::Digest;

use crate::blobs::hash_file;
use crate::collect::find_stray_files;
use crate::core::{Core, off_thread};
use crate::files::{FileName, Identity};
use crate::hash::Hasher;
use crate::io::is_no_file;
use crate::report::Report;
use crate::tables::blobs::{self, Blob, Place};
use crate::{StoreError, Tried};

const BLOBS_AT_ONCE: i64 = 100;

/// The numbers of objects that were read again and of those that were wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub blobs: u64,
    pub bytes: u64,
    /// Damage to blobs and to the database; each is reported in a line.
    pub damaged: u64,
    /// Files that no row names. They are unused, but not damage.
    pub unused_files: u64,
}

/// The state of a blob's bytes.
enum State {
    Intact(Option<Identity>),
    Missing,
    Damaged(String),
    /// The disk cannot read the bytes now, which does not mean that they have changed.
    Unreadable(io::Error),
}

pub(crate) async fn verify(core: &Arc<Core>, report: &Report) -> Result<Verified, StoreError> {
    let _hold = core.files.hold();
    let mut verified = Verified::default();

    match examine_database(core).await {
        Ok(complaints) => {
            for complaint in complaints {
                verified.damaged += 1;
                report
                    .say(format!("the database is damaged: {complaint}"))
                    .await?;
            }
        }
        Err(error) => say_unreadable(report, &mut verified, &error).await?,
    }
    match verify_blobs(core, report, &mut verified).await {
        Err(error @ (StoreError::Damaged { .. } | StoreError::Statement(_))) => {
            say_unreadable(report, &mut verified, &error).await?;
        }
        other => other?,
    }
    match uploads::verify(core, report).await {
        Ok(damaged) => verified.damaged += damaged,
        Err(error @ (StoreError::Damaged { .. } | StoreError::Statement(_))) => {
            say_unreadable(report, &mut verified, &error).await?;
        }
        Err(error) => return Err(error),
    }
    for (name, size) in find_stray_files(core).await? {
        verified.unused_files += 1;
        report
            .say(format!("file {name} of {size} bytes is named by no row"))
            .await?;
    }
    Ok(verified)
}

/// Reports damage that prevents further reading as a finding too.
async fn say_unreadable(
    report: &Report,
    verified: &mut Verified,
    error: &StoreError,
) -> Result<(), StoreError> {
    verified.damaged += 1;
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    report.say(format!("{error}{}", cause.unwrap_or_default())).await
}

async fn examine_database(core: &Arc<Core>) -> Result<Vec<String>, StoreError> {
    let readers = core.readers.clone();
    off_thread(move || readers.backend().examine()).await
}

async fn verify_blobs(core: &Arc<Core>, report: &Report, verified: &mut Verified) -> Result<(), StoreError> {
    let ambiguous = core
        .readers
        .read_many(|at| blobs::list_ambiguous(at, BLOBS_AT_ONCE))
        .await?;
    for id in ambiguous {
        verified.damaged += 1;
        report
            .say(format!("blob number {id} has bytes in its row and in a file"))
            .await?;
    }
    let mut last = i64::MIN;
    loop {
        let found = core
            .readers
            .read_many(move |at| blobs::list_after(at, last, BLOBS_AT_ONCE))
            .await?;
        let Some(end) = found.last() else {
            return Ok(());
        };
        last = end.id;
        for blob in found {
            report.check_heard()?;
            verified.blobs += 1;
            verified.bytes += blob.size;
            if let Some(complaint) = verify_blob(core, &blob).await? {
                verified.damaged += 1;
                report.say(format!("blob {} {complaint}", blob.digest)).await?;
            }
        }
    }
}

async fn verify_blob(core: &Arc<Core>, blob: &Blob) -> Result<Option<String>, StoreError> {
    let state = state_of(core, blob).await?;
    match &state {
        State::Intact(identity) => {
            if let (Place::File { name, .. }, Some(identity)) = (&blob.place, identity) {
                record_identity(core, blob, *name, identity.clone()).await;
            }
            return Ok(None);
        }
        State::Unreadable(error) => return Ok(Some(format!("cannot be read: {error}"))),
        State::Missing | State::Damaged(_) => {}
    }
    // Since the list was read, the collection may have removed the blob or a push mended it.
    let now = core.read(|at| blobs::find(at, &blob.digest)).await?;
    if now.is_none_or(|now| now.place != blob.place) {
        return Ok(None);
    }
    record_damage(core, blob).await;
    Ok(Some(match (state, &blob.place) {
        (State::Damaged(what), Place::File { name, .. }) => format!("is damaged: {what} (file {name})"),
        (State::Damaged(what), Place::Row) => format!("is damaged: {what}"),
        (_, Place::File { name, .. }) => format!("is missing: there is no file {name}"),
        (_, Place::Row) => "is missing: its row holds no bytes".to_owned(),
    }))
}

async fn state_of(core: &Arc<Core>, blob: &Blob) -> Result<State, StoreError> {
    let (core, blob) = (core.clone(), blob.clone());
    off_thread(move || match blob.place {
        Place::Row => {
            let bytes = core.readers.read(|at| blobs::find_bytes(at, &blob.digest))?;
            Ok(bytes.map_or(State::Missing, |bytes| {
                let computed = Digest::computed(blob.digest.algorithm(), &bytes);
                judge(&blob, computed, bytes.len() as u64, None)
            }))
        }
        Place::File { name, ref identity } => file_state(&core, &blob, name, identity),
    })
    .await
}

fn file_state(core: &Core, blob: &Blob, name: FileName, identity: &Identity) -> Result<State, StoreError> {
    let read = || {
        let file = core.files.open(name)?;
        let before = Identity::of(&file)?;
        let size = file.metadata()?.len();
        let digest = hash_file(&file, u64::MAX, Hasher::new(blob.digest.algorithm()))?.digest();
        let after = Identity::of(&file)?;
        let news = before != *identity || blob.damaged;
        let changed = (before == after && news).then_some(before);
        io::Result::Ok(judge(blob, digest, size, changed))
    };
    match read() {
        Ok(state) => Ok(state),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::Missing),
        Err(error) if is_no_file(&error) => Ok(State::Damaged(format!("it cannot be read: {error}"))),
        Err(error) if concerns_this_file(&error) => Ok(State::Unreadable(error)),
        Err(error) => Err(error).tried("read a blob"),
    }
}

/// False for errors such as running out of descriptors or memory.
fn concerns_this_file(error: &io::Error) -> bool {
    !matches!(error.raw_os_error(), Some(code) if code == rustix::io::Errno::MFILE.raw_os_error()
        || code == rustix::io::Errno::NFILE.raw_os_error()
        || code == rustix::io::Errno::NOMEM.raw_os_error())
}

fn judge(blob: &Blob, computed: Digest, size: u64, changed: Option<Identity>) -> State {
    if size != blob.size {
        State::Damaged(format!("it has {size} bytes instead of {}", blob.size))
    } else if computed != blob.digest {
        State::Damaged(format!("its bytes are those of {computed}"))
    } else {
        State::Intact(changed)
    }
}

/// The row then records the identity of the bytes. The result is the same if the row cannot be written.
async fn record_identity(core: &Core, blob: &Blob, name: FileName, identity: Identity) {
    let digest = blob.digest;
    log_failure(
        blob,
        core.write(move |tx| blobs::set_identity(tx, &digest, name, &identity))
            .await,
    );
}

async fn record_damage(core: &Core, blob: &Blob) {
    if blob.damaged {
        return;
    }
    tracing::error!(digest = %blob.digest, "a blob is damaged");
    let found = blob.clone();
    log_failure(blob, core.write(move |tx| blobs::set_damaged(tx, &found)).await);
}

fn log_failure(blob: &Blob, written: Result<(), StoreError>) {
    if let Err(error) = written {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(digest = %blob.digest, error, "what was found of a blob could not be recorded");
    }
}
