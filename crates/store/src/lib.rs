//! Durable rows and blobs. Nothing here depends on operations or protocols.

mod announcements;
pub mod backend;
mod backup;
mod blobs;
mod changes;
mod collect;
mod composition;
mod core;
mod directory;
mod error;
mod files;
mod hash;
mod io;
pub mod keys;
mod migrations;
mod readers;
mod received;
mod report;
mod sqlite;
mod store;
#[cfg(test)]
mod suite;
mod tables;
#[cfg(test)]
mod tests;
mod transaction;
mod upload_id;
mod uploads;
mod value;
mod verify;
mod writer;

pub use crate::announcements::Topic;
pub use crate::backup::{BackedUp, BackupError, Restored, restore};
pub use crate::blobs::{BlobContent, BlobError, BlobReader, Blobs};
pub use crate::changes::Settled;
pub(crate) use crate::error::Tried;
pub use crate::error::{StoreError, stored};
pub use crate::io::{Disk, Flushing, Io, open_regular};
pub use crate::migrations::Migrations;
pub use crate::received::Received;
pub use crate::report::Report;
pub use crate::store::{Collected, Foundation, Options, Store};
pub use crate::tables::blobs::Blob;
pub use crate::tables::links;
pub use crate::transaction::{Snapshot, Tx};
pub use crate::upload_id::UploadId;
pub use crate::uploads::{
    AppendError, ByteSource, CompleteError, Durability, NewUpload, TakeError, Upload, Uploads,
};
pub use crate::value::{Columns, Row, Value};
pub use crate::verify::Verified;
pub use crate::writer::Health;
