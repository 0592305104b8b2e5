//! The tables that the store itself reads and writes.

pub(crate) mod blobs;
pub mod links;
pub(crate) mod uploads;
