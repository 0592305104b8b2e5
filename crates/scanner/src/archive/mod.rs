//! A layer as a stream of the entries of its archive, however it is packed.

mod tar;
mod unpack;

pub(crate) use tar::{Kind, Tar};
pub(crate) use unpack::unpack;
