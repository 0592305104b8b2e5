//! Durable rows (SQLite) and blobs (files): nothing here knows of operations or protocols.

pub mod backend;
mod directory;
mod error;
mod io;
mod migrations;
mod readers;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod value;
mod writer;

pub use crate::error::StoreError;
pub(crate) use crate::error::Tried;
pub use crate::io::{Disk, Durability, Io};
pub use crate::sqlite::SqliteFile;
pub use crate::store::{Foundation, Options, Store};
pub use crate::transaction::{Snapshot, Tx};
pub use crate::value::{Columns, Row, Value};
pub use crate::writer::Health;
