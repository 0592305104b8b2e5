//! The interface of a database. Tables, queries and row types are written once, above it.

use std::ops::ControlFlow;
use std::path::Path;

use crate::{Row, StoreError, Value};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Called with each row of a query until it breaks or fails.
pub type Visit<'v> = dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError> + 'v;

/// A database that can be connected to.
pub trait Backend: Send + Sync + 'static {
    fn connect(&self, access: Access) -> Result<Box<dyn Connection>, StoreError>;

    /// Opens a new connection for writing after a failed commit. Succeeds only once everything that was
    /// committed is known to be on stable storage.
    fn reconnect(&self) -> Result<Box<dyn Connection>, StoreError>;

    /// Problems that the database finds in itself, as sentences; at most a few hundred.
    fn examine(&self) -> Result<Vec<String>, StoreError>;

    /// `None` for a database that is backed up by tools of its own.
    fn snapshots(&self) -> Option<&dyn Snapshots> {
        None
    }
}

/// Copies of a database, each of which is a file and a database of its own.
pub trait Snapshots {
    /// What the names of copies end with, after a dot.
    fn extension(&self) -> &'static str;

    /// Copies one state of the whole database into an empty file, while others read and write. Stops and
    /// returns `false` once `go_on` returns `false`.
    fn copy(&self, target: &Path, go_on: &dyn Fn() -> bool) -> Result<bool, StoreError>;

    /// Whether a copy holds tables and nothing that would run by itself. Ours never do; a copy may come from elsewhere.
    fn holds_only_tables(&self, copy: &Path) -> Result<bool, StoreError>;

    /// Opens a copy for changes, which are not flushed. The file is whole after `maintain` with `Moment::Closing`.
    fn open(&self, copy: &Path) -> Result<Box<dyn Connection>, StoreError>;
}

/// One connection. Statements number their parameters `?1`, `?2`, …; each text is prepared once and kept.
pub trait Connection: Send {
    /// Begins a transaction: a write transaction on a connection for writing, otherwise a snapshot.
    fn begin(&self) -> Result<(), StoreError>;

    /// Makes the transaction durable. After a failure the state of the transaction and of the connection is
    /// unknown.
    fn commit(&self) -> Result<(), StoreError>;

    /// Runs a statement that returns no rows. Returns the number of rows changed.
    fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<u64, StoreError>;

    fn query(&self, sql: &str, parameters: &[Value<'_>], visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Runs statements of a migration, with the words `{id} {int} {text} {blob} {strict} {without_rowid}` replaced.
    fn script(&self, sql: &str) -> Result<(), StoreError>;

    /// Runs between transactions, when no caller waits for an answer.
    fn maintain(&self, moment: Moment) -> Result<Upkeep, StoreError>;
}

/// The situation in which upkeep runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// More work may be waiting.
    Busy,
    /// No work has arrived for a while.
    Idle,
    /// No more work will arrive.
    Closing,
}

/// Whether more upkeep would help once the store is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    Done,
    Wanted,
}
