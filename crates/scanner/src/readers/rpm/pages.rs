//! A database that is read out of order, kept in a scratch file meanwhile.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;

use super::damaged;
use crate::error::Carried;
use crate::readers::{ReadError, Scratch};

const DATABASE_BYTES_MAX: u64 = 512 << 20;
const BUFFER_BYTES: usize = 64 << 10;

pub(super) struct Pages {
    file: File,
    size: u64,
}

impl Pages {
    pub(super) fn keep(content: &mut dyn Read, scratch: &Scratch) -> Result<Self, ReadError> {
        let mut file = scratch.file()?;
        let mut content = content.take(DATABASE_BYTES_MAX);
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut size = 0;
        loop {
            let read = content.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(Self { file, size });
            };
            file.write_all(bytes)
                .map_err(|error| io::Error::from(Carried::Scratch(error)))?;
            size += read as u64;
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that the database says it has.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.size);
        end.ok_or_else(damaged)?;
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| io::Error::from(Carried::Scratch(error)))?;
        Ok(bytes)
    }
}

/// Numbers at a place of some bytes; damage where there are none.
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
