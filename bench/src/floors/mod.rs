//! The limits of the machine: what a program that does only the unavoidable reaches.

mod files;
mod log;
mod receiver;
mod streams;

pub(crate) use files::store_files;
pub(crate) use log::append_log;
pub(crate) use receiver::receive;
pub(crate) use streams::{hash, write};
