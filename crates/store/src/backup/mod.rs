//! Backups: one state of the rows, and the files that these name.
//!
//! A backup is a directory. `backup.json` names its database and stands there only when everything else does; it is
//! replaced in one step, so that a backup which is renewed stays whole until the new one is. Blob files keep their
//! names, which never come again for other bytes, so that those that are there need not be copied again.

mod copy;
mod make;
mod marker;
mod place;
mod restore;

use crate::StoreError;

pub(crate) use make::make;
pub use restore::restore;

/// Why there is no backup, or nothing was restored from one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the directory is not empty and holds no backup")]
    NotOurs,

    #[error("the directory holds no backup")]
    NoBackup,

    #[error("the backup has not been finished: make it again")]
    Unfinished,

    #[error("the backup is not what it was: {0}")]
    Changed(String),

    #[error("there is no room for the backup: it has {needed} bytes, and {free} are free")]
    NoRoom { needed: u64, free: u64 },

    #[error("somebody else works on the backup")]
    Busy,

    #[error("the data directory is not empty")]
    NotEmpty,

    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a backup holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// Those that live in files; the others are in the database.
    pub blobs: u64,
    pub bytes: u64,
    pub copied: u64,
    pub copied_bytes: u64,
    /// Blobs whose bytes are lost; each has been said in a line, and answers as absent where the backup is restored.
    pub damaged: u64,
}

/// What has been restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub blobs: u64,
    pub bytes: u64,
    /// As in `BackedUp`.
    pub damaged: u64,
}
