//! Layers for the tests of this crate.

use std::io::Write as _;

/// Writes an archive entry by entry, byte by byte as the format requires.
pub(crate) struct TarBuilder(Vec<u8>);

impl TarBuilder {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn file(mut self, path: &str, content: &[u8]) -> Self {
        self.0.extend(entry(path, b'0', content));
        self
    }

    pub(crate) fn directory(mut self, path: &str) -> Self {
        self.0.extend(entry(path, b'5', b""));
        self
    }

    pub(crate) fn link(mut self, path: &str, to: &str) -> Self {
        let mut header = entry(path, b'2', b"");
        header[157..157 + to.len()].copy_from_slice(to.as_bytes());
        seal(&mut header);
        self.0.extend(header);
        self
    }

    pub(crate) fn build(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    pub(crate) fn gzip(self) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&self.build()).unwrap();
        encoder.finish().unwrap()
    }
}

fn entry(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..path.len()].copy_from_slice(path.as_bytes());
    bytes[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    bytes[156] = kind;
    bytes[257..263].copy_from_slice(b"ustar\0");
    seal(&mut bytes);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn seal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

/// An archive of one file whose name is longer than a header permits, in the form of GNU (`L`) or POSIX
/// (`x`).
pub(crate) fn long_entry(kind: u8, path: &str, content: &[u8]) -> Vec<u8> {
    let record = format!(" path={path}\n");
    // The length includes its own three digits.
    let extension = if kind == b'L' {
        format!("{path}\0")
    } else {
        format!("{}{record}", record.len() + 3)
    };
    [
        entry("long", kind, extension.as_bytes()),
        entry("short", b'0', content),
        vec![0; 1024],
    ]
    .concat()
}

/// An archive of one file.
pub(crate) fn layer_of(path: &str, content: &[u8]) -> Vec<u8> {
    TarBuilder::new().file(path, content).build()
}

/// A text of the given length, made of one repeated piece.
pub(crate) fn repeated(piece: &str, bytes: usize) -> Vec<u8> {
    piece.as_bytes().iter().copied().cycle().take(bytes).collect()
}

/// The header of a package, filled up to the given length by its architecture.
fn long_header(bytes: usize) -> Vec<u8> {
    let mut header = crate::readers::test_rpm_header("bash", None, "5.1.8", "6.el9");
    // The architecture is the last text of a header. Without its end, it extends to the end of the bytes.
    header.pop();
    header.resize(bytes, b'a');
    header
}

const BDB_PAGE_BYTES: usize = 65_536;

/// `Packages` with one page of entries that all refer to the same value: on a page of its own, or in the page
/// itself.
pub(crate) fn bdb_over_one_value(entries: usize, off_page: bool) -> Vec<u8> {
    let value = long_header(if off_page { 60_000 } else { 20_000 });
    let mut meta = vec![0; BDB_PAGE_BYTES];
    meta[12..16].copy_from_slice(&0x0006_1561_u32.to_le_bytes());
    meta[20..24].copy_from_slice(&u32::try_from(BDB_PAGE_BYTES).unwrap().to_le_bytes());
    meta[25] = 8;
    meta[32..36].copy_from_slice(&2_u32.to_le_bytes());

    let mut hash = vec![0; BDB_PAGE_BYTES];
    hash[20..22].copy_from_slice(&u16::try_from(2 * entries).unwrap().to_le_bytes());
    hash[25] = 13;
    let item = if off_page {
        let length = u32::try_from(value.len()).unwrap();
        [&[3, 0, 0, 0][..], &2_u32.to_le_bytes(), &length.to_le_bytes()].concat()
    } else {
        [&[1][..], &value].concat()
    };
    let (start, end) = (BDB_PAGE_BYTES - 1 - item.len(), BDB_PAGE_BYTES - 1);
    hash[start..end].copy_from_slice(&item);
    for entry in 0..entries {
        for (number, place) in [(2 * entry, end), (2 * entry + 1, start)] {
            let at = 26 + 2 * number;
            hash[at..at + 2].copy_from_slice(&u16::try_from(place).unwrap().to_le_bytes());
        }
    }

    let mut overflow = vec![0; BDB_PAGE_BYTES];
    overflow[22..24].copy_from_slice(&u16::try_from(value.len()).unwrap().to_le_bytes());
    overflow[25] = 7;
    overflow[26..26 + value.len()].copy_from_slice(&value);
    [meta, hash, overflow].concat()
}

/// `Packages.db` whose slots all refer to one header.
pub(crate) fn ndb_over_one_header(slots: usize, header_bytes: usize) -> Vec<u8> {
    let slot_pages = (slots + 2).div_ceil(256);
    let block = u32::try_from(slot_pages * 256).unwrap();
    let numbers = [
        u32::from_le_bytes(*b"RpmP"),
        0,
        7,
        u32::try_from(slot_pages).unwrap(),
        2,
        0,
        0,
        0,
    ];
    let mut database: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    for slot in 0..slot_pages * 256 - 2 {
        let block = if slot < slots { block } else { 0 };
        let numbers = [u32::from_le_bytes(*b"Slot"), 1, block, 1];
        database.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    let length = u32::try_from(header_bytes).unwrap();
    let numbers = [u32::from_le_bytes(*b"BlbS"), 1, 7, length];
    database.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    database.extend(long_header(header_bytes));
    database
}

/// `rpmdb.sqlite` with one page of cells that all refer to the same record.
pub(crate) fn sqlite_over_one_record(cells: usize) -> Vec<u8> {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("rpmdb.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 65536; CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL);",
        )
        .unwrap();
    connection
        .execute("INSERT INTO Packages (blob) VALUES (?1)", [long_header(20_000)])
        .unwrap();
    drop(connection);
    let mut database = std::fs::read(path).unwrap();
    let leaf = &mut database[65_536..2 * 65_536];
    leaf[3..5].copy_from_slice(&u16::try_from(cells).unwrap().to_be_bytes());
    let cell = [leaf[8], leaf[9]];
    for number in 0..cells {
        leaf[8 + 2 * number..10 + 2 * number].copy_from_slice(&cell);
    }
    database
}

/// A program in which every second byte could begin a compressed list of crates.
pub(crate) fn program_of_beginnings(bytes: usize) -> Vec<u8> {
    [&b"\x7fELF"[..], &[0x78, 0x9c].repeat(bytes / 2)].concat()
}

/// A program full of places that look like lists of crates. Each proves invalid after the given number of
/// bytes.
pub(crate) fn program_of_bombs(lists: usize, bytes: usize) -> Vec<u8> {
    let json = [&br#"{"packages":["#[..], &vec![b' '; bytes]].concat();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&json).unwrap();
    [&b"\x7fELF"[..], &encoder.finish().unwrap().repeat(lists)].concat()
}

/// An archive of one file with a path of any length.
pub(crate) fn long_path(path: &str, content: &[u8]) -> Vec<u8> {
    long_entry(b'L', path, content)
}
