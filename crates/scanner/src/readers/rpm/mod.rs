//! Reads rpm's database in each of its three forms. The headers of packages are the same in all of them.

mod bdb;
mod header;
mod ndb;
mod pages;
mod sqlite;

use std::io::Read;

use super::sink::Sink;
use super::{ReadError, Scratch};
use pages::Pages;

/// Receives the header of each package.
type Visit<'v> = dyn FnMut(&[u8]) -> Result<(), ReadError> + 'v;

pub(super) fn read_sqlite(
    content: &mut dyn Read,
    scratch: &Scratch,
    sink: &mut Sink<'_>,
) -> Result<(), ReadError> {
    let pages = Pages::keep(content, scratch, sink.budget())?;
    sqlite::for_each_header(&pages, &mut |header| Ok(sink.take(header::package(header))?))
}

pub(super) fn read_ndb(
    content: &mut dyn Read,
    scratch: &Scratch,
    sink: &mut Sink<'_>,
) -> Result<(), ReadError> {
    let pages = Pages::keep(content, scratch, sink.budget())?;
    ndb::for_each_header(&pages, &mut |header| Ok(sink.take(header::package(header))?))
}

pub(super) fn read_bdb(
    content: &mut dyn Read,
    scratch: &Scratch,
    sink: &mut Sink<'_>,
) -> Result<(), ReadError> {
    let pages = Pages::keep(content, scratch, sink.budget())?;
    bdb::for_each_header(&pages, &mut |header| Ok(sink.take(header::package(header))?))
}

fn damaged() -> ReadError {
    ReadError::Format("the database of rpm is damaged".to_owned())
}

#[cfg(test)]
pub(crate) fn test_header(name: &str, epoch: Option<u32>, version: &str, release: &str) -> Vec<u8> {
    header::tests::header(name, epoch, version, release, "source-1-1.src.rpm")
}
