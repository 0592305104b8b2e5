//! rpm's database in each of its three forms. The headers of packages are the same in all of them.

mod bdb;
mod header;
mod ndb;
mod pages;
mod sqlite;

use std::io::Read;

use super::{Packages, ReadError, Scratch};
use crate::package::Package;
use pages::Pages;

const HEADER_BYTES_MAX: usize = 16 << 20;

pub(super) fn read_sqlite(content: &mut dyn Read, scratch: &Scratch) -> Packages {
    let pages = Pages::keep(content, scratch)?;
    collect(|visit| sqlite::for_each_header(&pages, visit))
}

pub(super) fn read_ndb(content: &mut dyn Read, scratch: &Scratch) -> Packages {
    let pages = Pages::keep(content, scratch)?;
    collect(|visit| ndb::for_each_header(&pages, visit))
}

pub(super) fn read_bdb(content: &mut dyn Read, scratch: &Scratch) -> Packages {
    let pages = Pages::keep(content, scratch)?;
    collect(|visit| bdb::for_each_header(&pages, visit))
}

fn collect(walk: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), ReadError>) -> Packages {
    let mut packages = Vec::<Package>::new();
    walk(&mut |header| packages.extend(header::package(header)))?;
    Ok(packages)
}

fn damaged() -> ReadError {
    ReadError::Format("the database of rpm is damaged".to_owned())
}

#[cfg(test)]
pub(crate) fn test_header(name: &str, epoch: Option<u32>, version: &str, release: &str) -> Vec<u8> {
    header::tests::header(name, epoch, version, release, "source-1-1.src.rpm")
}
