//! A database that is read out of order, from a scratch file.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;

use super::damaged;
use crate::error::{Carried, Limit};
use crate::limits::Budget;
use crate::readers::{ReadError, Scratch};

const DATABASE_BYTES_MAX: u64 = 512 << 20;
const HEADER_BYTES_MAX: u64 = 16 << 20;
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes that may be read, as a multiple of the size of the database. A walk reads each page alone and within a value, and
/// then copies the value.
const READS_MAX: u64 = 4;
/// Small databases have pages that are read more often than that.
const FREE_BYTES: u64 = 64 << 10;

pub(super) struct Pages<'b> {
    file: File,
    size: u64,
    left: Cell<u64>,
    budget: &'b Budget,
}

impl<'b> Pages<'b> {
    pub(super) fn keep(
        content: &mut dyn Read,
        scratch: &Scratch,
        budget: &'b Budget,
    ) -> Result<Self, ReadError> {
        let mut file = scratch.file()?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut size = 0_u64;
        loop {
            let read = content.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(Self {
                    file,
                    size,
                    left: Cell::new(READS_MAX * size + FREE_BYTES),
                    budget,
                });
            };
            size += read as u64;
            if size > DATABASE_BYTES_MAX {
                return Err(budget.exceed(Limit::FileSize).into());
            }
            file.write_all(bytes)
                .map_err(|error| io::Error::from(Carried::Scratch(error)))?;
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The length of a header, as its database declares it.
    pub(super) fn header_bytes(&self, length: u64) -> Result<usize, ReadError> {
        if length > self.size {
            return Err(damaged());
        }
        if length > HEADER_BYTES_MAX {
            return Err(self.budget.exceed(Limit::FileSize).into());
        }
        usize::try_from(length).map_err(|_| damaged())
    }

    /// Counts bytes that are made from the data, so that a value that is referred to twice costs twice.
    pub(super) fn count(&self, length: usize) -> Result<(), ReadError> {
        Ok(self.budget.read_database(length as u64, &self.left)?)
    }

    /// Reads bytes that the database declares to have.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.size);
        end.ok_or_else(damaged)?;
        self.count(length)?;
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| io::Error::from(Carried::Scratch(error)))?;
        Ok(bytes)
    }
}

/// Reads numbers at an offset. Missing bytes mean damage.
pub(super) trait Numbers {
    fn be_u16(&self, at: usize) -> Result<u16, ReadError>;
    fn be_u32(&self, at: usize) -> Result<u32, ReadError>;
    fn le_u16(&self, at: usize) -> Result<u16, ReadError>;
    fn le_u32(&self, at: usize) -> Result<u32, ReadError>;
}

impl Numbers for [u8] {
    fn be_u16(&self, at: usize) -> Result<u16, ReadError> {
        array(self, at).map(u16::from_be_bytes)
    }

    fn be_u32(&self, at: usize) -> Result<u32, ReadError> {
        array(self, at).map(u32::from_be_bytes)
    }

    fn le_u16(&self, at: usize) -> Result<u16, ReadError> {
        array(self, at).map(u16::from_le_bytes)
    }

    fn le_u32(&self, at: usize) -> Result<u32, ReadError> {
        array(self, at).map(u32::from_le_bytes)
    }
}

fn array<const LENGTH: usize>(bytes: &[u8], at: usize) -> Result<[u8; LENGTH], ReadError> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().ok_or_else(damaged)
}
