//! `rpmdb.sqlite`: the one table of packages, read from the pages of the file. A database from an image is
//! not opened by a database engine, because engines trust their files.

use super::pages::{Numbers as _, Pages};
use super::{Visit, damaged};
use crate::readers::ReadError;

const MAGIC: &[u8] = b"SQLite format 3\0";
const FILE_HEADER_BYTES: usize = 100;
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
const DEPTH_MAX: usize = 20;
const TABLE: &[u8] = b"Packages";
/// A record may have as many columns as bytes; only the first few are needed.
const COLUMNS_MAX: usize = 5;

struct Database<'p> {
    pages: &'p Pages<'p>,
    page_bytes: usize,
    /// The bytes of a page that hold content.
    usable_bytes: usize,
}

pub(super) fn for_each_header(pages: &Pages<'_>, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let database = Database::open(pages)?;
    let mut root = None;
    database.walk(1, 0, &mut |record| {
        // type, name, tbl_name, rootpage, sql
        if let [
            Column::Bytes(b"table"),
            Column::Bytes(TABLE),
            _,
            Column::Integer(page),
            ..,
        ] = columns(record).as_slice()
        {
            root = u32::try_from(*page).ok();
        }
        Ok(())
    })?;
    let root = root.ok_or_else(damaged)?;
    database.walk(root, 0, &mut |record| {
        // hnum, blob
        if let [_, Column::Bytes(header), ..] = columns(record).as_slice() {
            visit(header)?;
        }
        Ok(())
    })
}

impl Database<'_> {
    fn open<'p>(pages: &'p Pages<'p>) -> Result<Database<'p>, ReadError> {
        let header = pages.read(0, FILE_HEADER_BYTES)?;
        if !header.starts_with(MAGIC) {
            return Err(damaged());
        }
        let page_bytes = match header.be_u16(16)? {
            1 => 65_536,
            size if size.is_power_of_two() && size >= 512 => usize::from(size),
            _ => return Err(damaged()),
        };
        let reserved = header.get(20).copied().map_or(0, usize::from);
        let usable_bytes = page_bytes.checked_sub(reserved).filter(|usable| *usable >= 480);
        Ok(Database {
            pages,
            page_bytes,
            usable_bytes: usable_bytes.ok_or_else(damaged)?,
        })
    }

    fn page(&self, number: u32) -> Result<Vec<u8>, ReadError> {
        let place = number.checked_sub(1).ok_or_else(damaged)?;
        self.pages
            .read(u64::from(place) * self.page_bytes as u64, self.page_bytes)
    }

    /// Visits the records of a table in the order of their keys.
    fn walk(&self, number: u32, depth: usize, visit: &mut Visit<'_>) -> Result<(), ReadError> {
        if depth > DEPTH_MAX {
            return Err(damaged());
        }
        let page = self.page(number)?;
        let start = if number == 1 { FILE_HEADER_BYTES } else { 0 };
        let kind = page.get(start).copied();
        let cells = usize::from(page.be_u16(start + 3)?);
        let pointers = start + if kind == Some(INTERIOR) { 12 } else { 8 };
        for cell in 0..cells {
            let cell = usize::from(page.be_u16(pointers + 2 * cell)?);
            match kind {
                Some(INTERIOR) => self.walk(page.be_u32(cell)?, depth + 1, visit)?,
                Some(LEAF) => visit(&self.record(&page, cell)?)?,
                _ => return Err(damaged()),
            }
        }
        match kind {
            Some(INTERIOR) => self.walk(page.be_u32(start + 8)?, depth + 1, visit),
            _ => Ok(()),
        }
    }

    /// The record of a cell, including the part on overflow pages.
    fn record(&self, page: &[u8], cell: usize) -> Result<Vec<u8>, ReadError> {
        let cell = page.get(cell..).ok_or_else(damaged)?;
        let (length, rest) = variable(cell).ok_or_else(damaged)?;
        let (_key, rest) = variable(rest).ok_or_else(damaged)?;
        let length = self.pages.header_bytes(length)?;
        let local = self.local_bytes(length);
        self.pages.count(local)?;
        let mut record = rest.get(..local).ok_or_else(damaged)?.to_vec();
        let mut next = if local < length { rest.be_u32(local)? } else { 0 };
        while record.len() < length {
            let overflow = self.page(next)?;
            next = overflow.be_u32(0)?;
            let wanted = (length - record.len()).min(self.usable_bytes - 4);
            record.extend_from_slice(overflow.get(4..4 + wanted).ok_or_else(damaged)?);
        }
        Ok(record)
    }

    /// The part of a record in its cell, by the rule of the file format.
    fn local_bytes(&self, length: usize) -> usize {
        let most = self.usable_bytes - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable_bytes - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (self.usable_bytes - 4);
        if fitting <= most { fitting } else { least }
    }
}

enum Column<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    Other,
}

/// Returns no columns for a damaged record.
fn columns(record: &[u8]) -> Vec<Column<'_>> {
    parse_columns(record).unwrap_or_default()
}

fn parse_columns(record: &[u8]) -> Option<Vec<Column<'_>>> {
    let (header_bytes, _) = variable(record)?;
    let (header, mut body) = record.split_at_checked(usize::try_from(header_bytes).ok()?)?;
    let (_, mut types) = variable(header)?;
    let mut columns = Vec::new();
    while !types.is_empty() && columns.len() < COLUMNS_MAX {
        let (kind, rest) = variable(types)?;
        types = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            _ => usize::try_from(kind.checked_sub(12)? / 2).ok()?,
        };
        let (value, rest) = body.split_at_checked(length)?;
        body = rest;
        columns.push(match kind {
            1..=6 => Column::Integer(integer(value)),
            12.. => Column::Bytes(value),
            _ => Column::Other,
        });
    }
    Some(columns)
}

/// A big-endian number whose first bit is its sign.
fn integer(bytes: &[u8]) -> i64 {
    let start = match bytes.first() {
        Some(first) if first & 0x80 != 0 => -1,
        _ => 0,
    };
    bytes
        .iter()
        .fold(start, |number, byte| (number << 8) | i64::from(*byte))
}

/// Reads a number of one to nine bytes, and returns the rest.
fn variable(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        let rest = bytes.get(place + 1..)?;
        if place == 8 {
            return Some(((number << 8) | u64::from(*byte), rest));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::super::read_sqlite;
    use crate::readers::packages;

    /// A database as rpm makes it, with `packages` packages. Every third has a header of many pages.
    fn database(packages: usize) -> Vec<u8> {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("rpmdb.sqlite");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let schema = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
            CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL);
            BEGIN;";
        connection.execute_batch(schema).unwrap();
        for number in 0..packages {
            let mut bytes = header(
                &format!("package-{number}"),
                None,
                "1.0",
                "1",
                "source-1.0-1.src.rpm",
            );
            bytes.resize(bytes.len() + if number % 3 == 0 { 40_000 } else { 0 }, 0);
            connection
                .execute("INSERT INTO Packages (blob) VALUES (?1)", [bytes])
                .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        drop(connection);
        std::fs::read(path).unwrap()
    }

    #[test]
    fn every_package_of_a_database_is_read() {
        for count in [0, 1, 500] {
            let read = packages(read_sqlite, &database(count)).unwrap();
            let expected: Vec<_> = (0..count).map(|number| format!("package-{number}")).collect();
            let names: Vec<_> = read.iter().map(|package| package.name().to_owned()).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn a_damaged_database_ends_the_walk() {
        let whole = database(40);
        for place in (0..whole.len()).step_by(97) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            // Only the time and memory must be bounded; the result does not matter.
            let _ = packages(read_sqlite, &damaged);
            let _ = packages(read_sqlite, &whole[..place]);
        }
    }
}
