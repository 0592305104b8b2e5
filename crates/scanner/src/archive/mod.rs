//! A layer as a stream of archive entries, for each compression.

mod tar;
mod unpack;

pub(crate) use tar::{Kind, Tar};
pub(crate) use unpack::unpack;
