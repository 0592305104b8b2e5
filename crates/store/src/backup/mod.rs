//! Backups: one state of the rows, and the files that the rows name.
//!
//! A backup is a directory. `backup.json` names its database and is written only when everything else is in
//! place. It is replaced in one step, so a backup that is being renewed stays whole until the new one is.
//! Names of blob files are never used again for other bytes, so files that the backup already has are not
//! copied again.

mod copy;
mod make;
mod marker;
mod place;
mod restore;

use crate::StoreError;

pub(crate) use make::make;
pub use restore::restore;

/// Why no backup was made, or nothing was restored from one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the directory is not empty and holds no backup")]
    NotOurs,

    #[error("the directory holds no backup")]
    NoBackup,

    #[error("the backup has not been finished: make it again")]
    Unfinished,

    #[error("the backup cannot be used: {0}")]
    Changed(String),

    #[error("there is no room for the backup: it has {needed} bytes, and {free} are free")]
    NoRoom { needed: u64, free: u64 },

    #[error("the database makes no copies of itself: back it up with its own tools")]
    NoSnapshots,

    #[error("another process works on the backup")]
    Busy,

    #[error("the data directory is not empty")]
    NotEmpty,

    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The contents of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// Blobs that are stored in files; the others are in the database.
    pub blobs: u64,
    pub bytes: u64,
    pub copied: u64,
    pub copied_bytes: u64,
    /// Blobs whose bytes are lost. Each is reported in a line, and is absent where the backup is restored.
    pub damaged: u64,
}

/// The contents of a restored data directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub blobs: u64,
    pub bytes: u64,
    /// As in `BackedUp`.
    pub damaged: u64,
}
