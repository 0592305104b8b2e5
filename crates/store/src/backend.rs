//! What a database must offer. Tables, queries and row types stand once, above it.

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

    /// A fresh connection for writing after a failed commit, given only once all that was committed is known to be
    /// on stable storage.
    fn recover(&self) -> Result<Box<dyn Connection>, StoreError>;

    /// What the database finds wrong with itself, in sentences; at most a few hundred.
    fn examine(&self) -> Result<Vec<String>, StoreError>;

    /// Copies one state of the whole database into an empty file, while others read and write. Says whether it came
    /// to the end: it stops once `go_on` says no.
    fn copy(&self, target: &Path, go_on: &dyn Fn() -> bool) -> Result<bool, StoreError>;
}

/// One connection. Statements number their parameters `?1`, `?2`, …; each text is prepared once and kept.
pub trait Connection: Send {
    /// Begins a transaction: for writing on a connection for writing, else a snapshot.
    fn begin(&self) -> Result<(), StoreError>;

    /// Makes the transaction durable. After a failure nothing is known of it, nor of the connection.
    fn commit(&self) -> Result<(), StoreError>;

    /// Runs a statement that gives no rows, and says how many it changed.
    fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<u64, StoreError>;

    fn query(&self, sql: &str, parameters: &[Value<'_>], visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Runs statements of a migration, with the words `{id} {int} {text} {blob} {strict} {without_rowid}` replaced.
    fn script(&self, sql: &str) -> Result<(), StoreError>;

    /// Upkeep between transactions, when nobody waits for an answer.
    fn tidy(&self, moment: Moment) -> Result<Upkeep, StoreError>;
}

/// When upkeep is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// More work may wait.
    Busy,
    /// No work has come for a while.
    Idle,
    /// None will come any more.
    Closing,
}

/// Whether more upkeep would help once it is quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    Done,
    Wanted,
}
