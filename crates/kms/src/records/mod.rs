//! Rows that several rooms read: keys, their material, and how requests name them.

pub(crate) mod algorithms;
pub(crate) mod key;
pub(crate) mod key_name;
pub(crate) mod listing;
pub(crate) mod material;
pub(crate) mod request;
