//! The AWS Key Management Service: keys whose material never leaves the server, and the cryptography that uses them.

mod aliases;
mod component;
mod context;
mod cryptography;
mod deletion;
mod error;
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
#[rustfmt::skip]
pub mod generated;
mod grants;
mod hex;
mod key_source;
mod keys;
mod lost_keys;
mod master_key;
mod operations;
mod policies;
mod primitives;
mod records;
mod rotation;
mod tags;
mod wire;

use ecru_store::Migrations;

pub use context::{Context, Service};
pub use error::Error;
pub use key_source::Keys;
pub use lost_keys::lost_keys;
pub use master_key::{InvalidMasterKey, KEY_FILE, MasterKey, MasterKeySource, copy_key_file};
pub use wire::Kms;

/// The tables of the service.
pub const MIGRATIONS: Migrations = Migrations {
    owner: "kms",
    steps: &[(1, include_str!("migrations/0001_keys.sql"))],
};
