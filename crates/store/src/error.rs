//! The errors of the store.

use std::error::Error;
use std::io;
use std::sync::Arc;

/// A failure of the store itself. A closure returns its decisions in an error type of its caller.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("another process uses the data directory")]
    InUse,

    #[error("the database has schema `{found}`; the newest this program knows is `{known}`")]
    Newer { found: i64, known: i64 },

    #[error("the database is damaged: {what}")]
    Damaged { what: String },

    #[error("writes are refused until the disk accepts them again")]
    ReadOnly,

    #[error("the store is closed")]
    Closed,

    #[error("the change was not committed")]
    NotCommitted(#[source] Arc<StoreError>),

    #[error("a statement failed")]
    Statement(#[source] Box<dyn Error + Send + Sync>),

    #[error("a statement followed a failed one")]
    Poisoned,

    #[error("the work on the database panicked")]
    Panicked,

    #[error("the caller no longer waits for the result")]
    Unheard,

    #[error("a restore into the data directory has not ended: run it again, or begin with another directory")]
    HalfRestored,

    #[error("the data directory belongs to another user, with the id `{uid}`: choose one of your own")]
    ForeignDirectory { uid: u32 },

    #[error(
        "others may write to the data directory, whose mode is `{mode:o}`: run `chmod go-w` on it, or choose another"
    )]
    SharedDirectory { mode: u32 },

    #[error("`{name}` in the data directory is a link, or not what it should be: it is not followed")]
    Irregular { name: &'static str },

    #[error("could not {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// For a stored value that was checked before it was stored and has changed since.
    pub fn damaged(what: impl Into<String>) -> StoreError {
        StoreError::Damaged { what: what.into() }
    }
}

/// Unwraps the value of a column that was checked before it was stored. If it is invalid now, the row is
/// damaged.
pub fn stored<T, E: std::fmt::Display>(value: Result<T, E>) -> Result<T, StoreError> {
    value.map_err(|error| StoreError::damaged(error.to_string()))
}

/// Adds the attempted action to an error of the file system.
pub(crate) trait Tried<T> {
    fn tried(self, action: &'static str) -> Result<T, StoreError>;
}

impl<T> Tried<T> for io::Result<T> {
    fn tried(self, action: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { action, source })
    }
}
