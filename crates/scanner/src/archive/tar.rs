//! Reads the entries of a tar archive one by one: ustar, with the long names of GNU and POSIX.

use std::io::{self, Read};

const BLOCK_BYTES: usize = 512;
const EXTENSION_BYTES_MAX: u64 = 1 << 20;
/// No system opens a longer path.
const PATH_BYTES_MAX: usize = 4 << 10;
const SKIP_BUFFER_BYTES: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// A link, a device or similar: an entry without bytes of its own.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Without a slash at either end.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
}

pub(crate) struct Tar<R> {
    source: R,
    /// The rest of the current entry, and its padding.
    content_left: u64,
    padding: u64,
    skipped: Vec<u8>,
}

/// Extended data from preceding entries, for the next entry.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl<R: Read> Tar<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            content_left: 0,
            padding: 0,
            skipped: vec![0; SKIP_BUFFER_BYTES],
        }
    }

    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    /// The next entry whose name stays within the image. The unread rest of the previous entry is skipped.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let Some(header) = self.read_header()? else {
                return Ok(None);
            };
            let size = header.number(124..136)?;
            match header.kind() {
                b'x' => {
                    let records = self.read_extension(size)?;
                    extensions.read_records(&records)?;
                }
                b'L' => extensions.path = Some(self.read_extension(size)?),
                b'g' | b'K' => self.begin_content(size),
                kind => {
                    // The sizes that links and directories declare have no bytes in the archive.
                    let size = match kind {
                        b'1'..=b'6' => 0,
                        _ => extensions.size.unwrap_or(size),
                    };
                    if kind == b'S' {
                        self.skip_sparse_maps(&header)?;
                    }
                    self.begin_content(size);
                    let path = extensions.path.take().unwrap_or_else(|| header.path());
                    extensions = Extensions::default();
                    if path.len() > PATH_BYTES_MAX {
                        return Err(broken("an entry has too long a name"));
                    }
                    if let Some(path) = within_image(&path) {
                        let kind = match kind {
                            b'0' | b'7' | 0 if header.path().ends_with(b"/") => Kind::Directory,
                            b'0' | b'7' | 0 => Kind::File,
                            b'5' => Kind::Directory,
                            _ => Kind::Other,
                        };
                        return Ok(Some(Entry { path, kind, size }));
                    }
                }
            }
        }
    }

    fn begin_content(&mut self, size: u64) {
        self.content_left = size;
        self.padding = size.next_multiple_of(BLOCK_BYTES as u64) - size;
    }

    /// Returns `None` at the end of the archive, also if its end marker is missing.
    fn read_header(&mut self) -> io::Result<Option<Header>> {
        let mut block = [0; BLOCK_BYTES];
        let mut length = 0;
        while let Some(rest) = block.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match self.source.read(rest) {
                Ok(0) if length == 0 => return Ok(None),
                Ok(0) => return Err(broken("an entry is cut off")),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header(block);
        header.check()?;
        Ok(Some(header))
    }

    fn read_extension(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > EXTENSION_BYTES_MAX {
            return Err(broken("an entry has too long a name"));
        }
        self.begin_content(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        if self.content_left > 0 {
            return Err(broken("an entry is cut off"));
        }
        Ok(bytes)
    }

    /// A sparse file of GNU has further maps of its holes before its content.
    fn skip_sparse_maps(&mut self, header: &Header) -> io::Result<()> {
        let mut more = header.0.get(482).is_some_and(|byte| *byte != 0);
        while more {
            let mut block = [0; BLOCK_BYTES];
            self.source.read_exact(&mut block)?;
            more = block.get(504).is_some_and(|byte| *byte != 0);
        }
        Ok(())
    }

    fn skip(&mut self) -> io::Result<()> {
        let mut left = self.content_left + self.padding;
        (self.content_left, self.padding) = (0, 0);
        while left > 0 {
            let wanted = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.skipped.len());
            let Some(buffer) = self.skipped.get_mut(..wanted) else {
                break;
            };
            match self.source.read(buffer) {
                Ok(0) => return Err(broken("an entry is cut off")),
                Ok(read) => left -= read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads the content of the current entry.
impl<R: Read> Read for Tar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.content_left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let read = self.source.read(buffer)?;
        if read == 0 {
            return Err(broken("an entry is cut off"));
        }
        self.content_left -= read as u64;
        Ok(read)
    }
}

struct Header([u8; BLOCK_BYTES]);

impl Header {
    fn field(&self, place: std::ops::Range<usize>) -> &[u8] {
        self.0.get(place).unwrap_or_default()
    }

    fn kind(&self) -> u8 {
        self.0.get(156).copied().unwrap_or_default()
    }

    /// A header is valid if it contains the sum of its bytes, with the sum itself counted as spaces.
    fn check(&self) -> io::Result<()> {
        let claimed = self.number(148..156)?;
        let sum: u64 = self
            .0
            .iter()
            .enumerate()
            .map(|(place, byte)| {
                if (148..156).contains(&place) {
                    32
                } else {
                    u64::from(*byte)
                }
            })
            .sum();
        if sum == claimed {
            Ok(())
        } else {
            Err(broken("an entry has a wrong checksum"))
        }
    }

    /// Parses octal digits or, if the first bit is set, a binary number.
    fn number(&self, place: std::ops::Range<usize>) -> io::Result<u64> {
        let field = self.field(place);
        let number = match field.split_first() {
            Some((first, rest)) if *first & 0x80 != 0 => {
                let mut number = u64::from(first & 0x7f);
                for byte in rest {
                    number = number
                        .checked_mul(256)
                        .ok_or_else(|| broken("a number is too large"))?;
                    number |= u64::from(*byte);
                }
                Some(number)
            }
            _ => {
                let text = String::from_utf8_lossy(field);
                let digits = text.trim_matches(|character| character == ' ' || character == '\0');
                if digits.is_empty() {
                    Some(0)
                } else {
                    u64::from_str_radix(digits, 8).ok()
                }
            }
        };
        number
            .filter(|number| i64::try_from(*number).is_ok())
            .ok_or_else(|| broken("a number cannot be read"))
    }

    fn path(&self) -> Vec<u8> {
        let name = until_nul(self.field(0..100));
        let prefix = until_nul(self.field(345..500));
        if !self.field(257..263).starts_with(b"ustar\0") || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }
}

impl Extensions {
    /// Each record consists of its length, a space, `key=value` and a line feed.
    fn read_records(&mut self, mut records: &[u8]) -> io::Result<()> {
        const BROKEN: &str = "an extended header cannot be read";
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ');
            let length = space
                .and_then(|space| {
                    std::str::from_utf8(records.get(..space)?)
                        .ok()?
                        .parse::<usize>()
                        .ok()
                })
                .filter(|length| *length <= records.len())
                .ok_or_else(|| broken(BROKEN))?;
            let (record, rest) = records.split_at(length);
            let record = space
                .and_then(|space| record.get(space + 1..)?.strip_suffix(b"\n"))
                .ok_or_else(|| broken(BROKEN))?;
            if let Some(path) = record.strip_prefix(b"path=") {
                self.path = Some(path.to_vec());
            } else if let Some(size) = record.strip_prefix(b"size=") {
                let size = std::str::from_utf8(size).ok().and_then(|text| text.parse().ok());
                let size = size.filter(|size| i64::try_from(*size).is_ok());
                self.size = Some(size.ok_or_else(|| broken(BROKEN))?);
            }
            records = rest;
        }
        Ok(())
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Returns `None` for a name that leads out of the image.
fn within_image(path: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(until_nul(path));
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_layers::{TarBuilder, long_entry};

    fn names(archive: &[u8]) -> io::Result<Vec<(String, Kind, Vec<u8>)>> {
        let mut tar = Tar::new(archive);
        let mut found = Vec::new();
        while let Some(entry) = tar.next_entry()? {
            let mut content = Vec::new();
            tar.read_to_end(&mut content)?;
            assert_eq!(entry.size, content.len() as u64);
            found.push((entry.path, entry.kind, content));
        }
        Ok(found)
    }

    #[test]
    fn entries_are_read_with_their_bytes() {
        let archive = TarBuilder::new()
            .directory("./etc/")
            .file("./etc/os-release", b"ID=debian\n")
            .file("empty", b"")
            .link("etc/link", "os-release")
            .build();
        let read = names(&archive).unwrap();
        let expected = [
            ("etc", Kind::Directory, &b""[..]),
            ("etc/os-release", Kind::File, b"ID=debian\n"),
            ("empty", Kind::File, b""),
            ("etc/link", Kind::Other, b""),
        ];
        let expected = expected.map(|(path, kind, content)| (path.to_owned(), kind, content.to_vec()));
        assert_eq!(read, expected);
    }

    #[test]
    fn long_names_of_both_kinds_are_read() {
        let long = format!("a/{}/METADATA", "b".repeat(300));
        for kind in [b'L', b'x'] {
            let archive = long_entry(kind, &long, b"content");
            assert_eq!(
                names(&archive).unwrap(),
                [(long.clone(), Kind::File, b"content".to_vec())]
            );
        }
    }

    #[test]
    fn names_that_lead_out_of_the_image_are_left_out() {
        let archive = TarBuilder::new()
            .file("../etc/passwd", b"x")
            .file("/etc/../../y", b"x")
            .file("/etc/passwd", b"z")
            .build();
        assert_eq!(
            names(&archive).unwrap(),
            [("etc/passwd".to_owned(), Kind::File, b"z".to_vec())]
        );
    }

    #[test]
    fn an_archive_cut_anywhere_is_an_error_or_ends_between_entries() {
        let archive = TarBuilder::new().file("a", &[7; 700]).file("b", b"x").build();
        for length in 0..archive.len() {
            let read = names(&archive[..length]);
            let between = length >= 3072 || [0, 1536, 2560].contains(&length);
            assert_eq!(read.is_ok(), between, "cut at {length}: {read:?}");
        }
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for bytes in [&b"layer"[..], &[1; 512], &[b'7'; 2048]] {
            assert!(names(bytes).is_err());
        }
    }
}
