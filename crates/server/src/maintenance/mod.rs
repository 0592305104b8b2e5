//! The work of `ecru gc`, `verify`, `backup` and `advisories` on a registry, in a running server or without
//! one.

mod ask;
pub(crate) mod serve;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ecru_kms::{KEY_FILE, copy_key_file};
use ecru_model::whole;
use ecru_platform::Clock;
use ecru_registry::{
    housekeeping, images,
    scanning::{self, ImageScanner, StoredEcosystems},
};
use ecru_store::{BackedUp, Report, Store, StoreError, Verified};
use serde::{Deserialize, Serialize};

use crate::advice;

pub(crate) use ask::ask;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Task {
    Gc,
    Verify,
    /// The absolute path of the backup directory.
    Backup(PathBuf),
    /// The same with the file of the master key.
    BackupWithKeys(PathBuf),
    /// Lists the ecosystems of the stored images, one per line.
    Ecosystems,
    /// Repeats the scans that lacked advisories, and counts them.
    ScanAgain,
}

/// An open registry, and the scanner for its images.
pub(crate) struct Place<'a> {
    /// The data directory.
    pub(crate) directory: &'a Path,
    pub(crate) store: &'a Store,
    pub(crate) clock: &'a Clock,
    pub(crate) scanner: &'a Arc<dyn ImageScanner>,
}

/// The outcome of a task, and the last line about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ended {
    Good(String),
    /// The task finished and found damage.
    Damage(String),
    Failed(String),
}

impl Ended {
    fn text(&self) -> &str {
        match self {
            Self::Good(text) | Self::Damage(text) | Self::Failed(text) => text,
        }
    }
}

pub(crate) async fn run(place: Place<'_>, task: Task, report: &Report) -> Ended {
    let Place {
        directory: data,
        store,
        clock,
        scanner,
    } = place;
    let ended = match task {
        Task::Gc => gc(store, clock).await,
        Task::Verify => verify(store, report).await,
        Task::Backup(directory) => {
            let ended = back_up(store, &directory, report).await;
            return without_keys(data, &directory, ended, report).await;
        }
        Task::BackupWithKeys(directory) => {
            let ended = back_up(store, &directory, report).await;
            return with_keys(data, &directory, ended, report).await;
        }
        Task::Ecosystems => return ecosystems(store, scanner, report).await,
        Task::ScanAgain => return scan_again(store, clock, scanner).await,
    };
    ended.unwrap_or_else(|error| Ended::Failed(whole(&error)))
}

async fn ecosystems(store: &Store, scanner: &Arc<dyn ImageScanner>, report: &Report) -> Ended {
    let mut found = StoredEcosystems::default();
    match found.look(store, scanner, Some(report)).await {
        Ok(()) => Ended::Good(found.names().collect::<Vec<_>>().join("\n")),
        Err(error) => Ended::Failed(whole(&error)),
    }
}

async fn scan_again(store: &Store, clock: &Clock, scanner: &Arc<dyn ImageScanner>) -> Ended {
    match scanning::scan_again(store, clock, scanner).await {
        Ok(count) => Ended::Good(count.to_string()),
        Err(error) => Ended::Failed(whole(&error)),
    }
}

async fn gc(store: &Store, clock: &Clock) -> Result<Ended, StoreError> {
    let swept = housekeeping::sweep(store, clock).await?;
    let collected = swept.collected;
    Ok(Ended::Good(format!(
        "freed {} bytes: {} blobs, {} left files, {} unused links, {} abandoned uploads",
        collected.bytes, collected.blobs, collected.files, collected.links, swept.uploads
    )))
}

async fn verify(store: &Store, report: &Report) -> Result<Ended, StoreError> {
    let Verified {
        blobs,
        bytes,
        damaged,
        unused_files,
    } = store.verify(report).await?;
    let (images, damaged_images) = match images::verify_images(store, report).await {
        Ok(found) => (found.images, found.damaged),
        Err(StoreError::Unheard) => return Err(StoreError::Unheard),
        // Damage to the database, which may prevent further reading.
        Err(error) => {
            report
                .say(format!("images cannot be read: {}", whole(&error)))
                .await?;
            (0, 1)
        }
    };
    let damaged = damaged + damaged_images;
    let sums = format!(
        "verified {blobs} blobs of {bytes} bytes and {images} images: {damaged} damaged, {unused_files} files unused"
    );
    Ok(if damaged == 0 {
        Ended::Good(sums)
    } else {
        Ended::Damage(sums)
    })
}

/// Tells that the keys of KMS are of no use without a file that is not in the backup.
async fn without_keys(data: &Path, backup: &Path, ended: Ended, report: &Report) -> Ended {
    if data.join(KEY_FILE).exists() && !matches!(ended, Ended::Failed(_)) {
        let line = if backup.join(KEY_FILE).exists() {
            format!(
                "the backup still has `{KEY_FILE}`, the master key of KMS, from an earlier run with `--with-keys`"
            )
        } else {
            format!("the master key of KMS, `{KEY_FILE}`, is not in the backup: `--with-keys` includes it")
        };
        if let Err(error) = report.say(line).await {
            return Ended::Failed(whole(&error));
        }
    }
    ended
}

async fn with_keys(data: &Path, directory: &Path, ended: Ended, report: &Report) -> Ended {
    if matches!(ended, Ended::Failed(_)) {
        return ended;
    }
    let (from, to) = (data.to_owned(), directory.to_owned());
    let copied = tokio::task::spawn_blocking(move || copy_key_file(&from, &to)).await;
    let line = match copied.map_err(std::io::Error::other).flatten() {
        Ok(true) => "the backup includes the master key of KMS: keep it secret".to_owned(),
        Ok(false) => format!("the data directory has no `{KEY_FILE}` to include"),
        Err(error) => return Ended::Failed(format!("cannot copy `{KEY_FILE}` into the backup: {error}")),
    };
    match report.say(line).await {
        Ok(()) => ended,
        Err(error) => Ended::Failed(whole(&error)),
    }
}

async fn back_up(store: &Store, directory: &Path, report: &Report) -> Ended {
    match store.back_up(directory, report).await {
        Ok(BackedUp {
            blobs,
            bytes,
            copied,
            copied_bytes,
            damaged,
        }) => {
            let sums = format!(
                "backed up the database and {blobs} blob files of {bytes} bytes, of which {copied} files of \
                 {copied_bytes} bytes were copied: {damaged} damaged"
            );
            if damaged == 0 {
                Ended::Good(sums)
            } else {
                Ended::Damage(sums)
            }
        }
        Err(error) => Ended::Failed(advice::on_backup(&error)),
    }
}
