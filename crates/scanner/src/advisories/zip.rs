//! Reads a zip file entry by entry, in memory that does not grow with the number of entries.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

const ENTRIES_MAX: u64 = 1_000_000;
/// The largest published documents have a few megabytes.
pub(super) const ENTRY_BYTES_MAX: u64 = 8 << 20;
const UNPACKED_BYTES_MAX: u64 = 16 << 30;
/// Documents usually shrink to a fifth or a tenth.
const RATIO_MAX: u64 = 100;
const RATIO_FREE_BYTES: u64 = 64 << 20;

const END_BYTES: usize = 22;
const COMMENT_BYTES_MAX: usize = 0xffff;
const LOCATOR_BYTES: usize = 20;
const LARGE_END_BYTES: usize = 56;
const READ_AHEAD_BYTES: usize = 64 << 10;

const END: u32 = 0x0605_4b50;
const LOCATOR: u32 = 0x0706_4b50;
const LARGE_END: u32 = 0x0606_4b50;
const ENTRY: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;

const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const LARGE_SIZES: u16 = 1;

#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    #[error("it could not be read")]
    Read(#[source] io::Error),
    #[error("{0}")]
    Broken(&'static str),
    #[error("{0}")]
    TooMuch(&'static str),
}

/// The entries of a file, as the directory at its end lists them.
pub(super) struct Archive<'a> {
    file: &'a File,
    directory_at: u64,
    directory_end: u64,
    entries: u64,
    unpacked_max: u64,
}

impl<'a> Archive<'a> {
    pub(super) fn open(file: &'a File) -> Result<Self, ZipError> {
        let length = file.metadata().map_err(ZipError::Read)?.len();
        let (end_at, end) = find_end(file, length)?;
        let (end_at, end) = match end.large(file, end_at)? {
            Some(large) => large,
            None => (end_at, end),
        };
        if end.entries > ENTRIES_MAX {
            return Err(ZipError::TooMuch("it has more than 1,000,000 entries"));
        }
        let directory_end = end.directory_at.checked_add(end.directory_bytes);
        let directory_end = directory_end.filter(|directory_end| *directory_end <= end_at);
        Ok(Self {
            file,
            directory_at: end.directory_at,
            directory_end: directory_end.ok_or(ZipError::Broken("its directory has a wrong offset"))?,
            entries: end.entries,
            unpacked_max: UNPACKED_BYTES_MAX
                .min(RATIO_FREE_BYTES.saturating_add(length.saturating_mul(RATIO_MAX))),
        })
    }

    /// Visits the content of every entry whose name ends with `suffix`, after verifying its length and
    /// checksum.
    pub(super) fn for_each<E: From<ZipError>>(
        &self,
        suffix: &str,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut directory = self.part(self.directory_at, self.directory_end);
        let mut unpacked = 0_u64;
        let mut content = Vec::new();
        for _ in 0..self.entries {
            let entry = Entry::read(&mut directory)?;
            if !entry.name.ends_with(suffix.as_bytes()) {
                continue;
            }
            unpacked = unpacked.saturating_add(entry.unpacked_bytes);
            if entry.unpacked_bytes > ENTRY_BYTES_MAX {
                return Err(ZipError::TooMuch("an entry is larger than 8 MiB").into());
            }
            if unpacked > self.unpacked_max {
                return Err(ZipError::TooMuch("it unpacks to implausibly more than its size").into());
            }
            self.unpack(&entry, &mut content)?;
            visit(&content)?;
        }
        let mut rest = [0];
        match directory.read(&mut rest) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ZipError::Broken("it has more entries than it declares").into()),
            Err(error) => Err(ZipError::Read(error).into()),
        }
    }

    fn part(&self, at: u64, end: u64) -> BufReader<Part<'a>> {
        let (file, end) = (self.file, end.max(at));
        BufReader::with_capacity(READ_AHEAD_BYTES, Part { file, at, end })
    }

    fn unpack(&self, entry: &Entry, content: &mut Vec<u8>) -> Result<(), ZipError> {
        let mut local = [0; 30];
        let read = self.file.read_exact_at(&mut local, entry.at);
        read.map_err(cut)?;
        let mut fields = Fields(&local);
        if fields.u32()? != LOCAL {
            return Err(ZipError::Broken("an entry has a wrong offset"));
        }
        fields.skip(22)?;
        let names = u64::from(fields.u16()?) + u64::from(fields.u16()?);
        let start = entry.at.saturating_add(30 + names);
        let end = start.checked_add(entry.packed_bytes);
        let end = end.filter(|end| *end <= self.directory_at);
        let packed = self.part(
            start,
            end.ok_or(ZipError::Broken("an entry is longer than the file"))?,
        );
        content.clear();
        // A buffer that grows during the read takes up to twice as much.
        content.reserve_exact(usize::try_from(entry.unpacked_bytes).unwrap_or_default() + 32);
        let limit = entry.unpacked_bytes + 1;
        match entry.method {
            STORED => packed.take(limit).read_to_end(content),
            DEFLATED => DeflateDecoder::new(packed).take(limit).read_to_end(content),
            _ => return Err(ZipError::Broken("an entry has an unknown compression")),
        }
        .map_err(cut)?;
        let mut crc = Crc::new();
        crc.update(content);
        if content.len() as u64 != entry.unpacked_bytes || crc.sum() != entry.crc {
            return Err(ZipError::Broken("an entry has a wrong checksum"));
        }
        Ok(())
    }
}

/// An error in the compressed data is a fault of the file.
fn cut(error: io::Error) -> ZipError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ZipError::Broken("it ends too early"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            ZipError::Broken("an entry cannot be unpacked")
        }
        _ => ZipError::Read(error),
    }
}

struct End {
    entries: u64,
    directory_bytes: u64,
    directory_at: u64,
}

/// The end record: the last record in a file, except for a comment.
fn find_end(file: &File, length: u64) -> Result<(u64, End), ZipError> {
    const NONE: ZipError = ZipError::Broken("it has no directory");
    let start = length.saturating_sub((END_BYTES + COMMENT_BYTES_MAX) as u64);
    let mut tail = Vec::new();
    let read = Part {
        file,
        at: start,
        end: length,
    }
    .read_to_end(&mut tail);
    read.map_err(ZipError::Read)?;
    let last = tail.len().checked_sub(END_BYTES).ok_or(NONE)?;
    for place in (0..=last).rev() {
        let mut fields = Fields(tail.get(place..).unwrap_or_default());
        if fields.u32()? != END {
            continue;
        }
        let (disk, directory_disk) = (fields.u16()?, fields.u16()?);
        let (here, entries) = (fields.u16()?, fields.u16()?);
        let end = End {
            entries: u64::from(entries),
            directory_bytes: u64::from(fields.u32()?),
            directory_at: u64::from(fields.u32()?),
        };
        if usize::from(fields.u16()?) == fields.0.len() && disk == directory_disk && here == entries {
            return Ok((start + place as u64, end));
        }
    }
    Err(NONE)
}

impl End {
    /// The record that replaces this one if its numbers are too small for the file.
    fn large(&self, file: &File, at: u64) -> Result<Option<(u64, Self)>, ZipError> {
        let saturated = self.entries == 0xffff
            || self.directory_bytes == u64::from(u32::MAX)
            || self.directory_at == u64::from(u32::MAX);
        let Some(locator_at) = at.checked_sub(LOCATOR_BYTES as u64).filter(|_| saturated) else {
            return Ok(None);
        };
        let mut locator = [0; LOCATOR_BYTES];
        file.read_exact_at(&mut locator, locator_at).map_err(cut)?;
        let mut fields = Fields(&locator);
        if fields.u32()? != LOCATOR {
            return Ok(None);
        }
        fields.skip(4)?;
        let large_at = fields.u64()?;
        if large_at
            .checked_add(LARGE_END_BYTES as u64)
            .is_none_or(|end| end > locator_at)
        {
            return Err(ZipError::Broken("its directory has a wrong offset"));
        }
        let mut large = [0; LARGE_END_BYTES];
        file.read_exact_at(&mut large, large_at).map_err(cut)?;
        let mut fields = Fields(&large);
        if fields.u32()? != LARGE_END {
            return Err(ZipError::Broken("its directory has a wrong offset"));
        }
        fields.skip(28)?;
        let end = Self {
            entries: fields.u64()?,
            directory_bytes: fields.u64()?,
            directory_at: fields.u64()?,
        };
        Ok(Some((large_at, end)))
    }
}

struct Entry {
    name: Vec<u8>,
    method: u16,
    crc: u32,
    packed_bytes: u64,
    unpacked_bytes: u64,
    at: u64,
}

impl Entry {
    fn read(directory: &mut impl Read) -> Result<Self, ZipError> {
        let mut fixed = [0; 46];
        directory.read_exact(&mut fixed).map_err(cut)?;
        let mut fields = Fields(&fixed);
        if fields.u32()? != ENTRY {
            return Err(ZipError::Broken("its directory has an invalid entry"));
        }
        fields.skip(4)?;
        let flags = fields.u16()?;
        let method = fields.u16()?;
        fields.skip(4)?;
        let crc = fields.u32()?;
        let sizes = [fields.u32()?, fields.u32()?];
        let lengths = [fields.u16()?, fields.u16()?, fields.u16()?];
        fields.skip(8)?;
        let at = fields.u32()?;
        if flags & ENCRYPTED != 0 {
            return Err(ZipError::Broken("an entry is encrypted"));
        }
        let [name, extra, _comment] = {
            let mut next = |length: u16| -> Result<Vec<u8>, ZipError> {
                let mut bytes = vec![0; usize::from(length)];
                directory.read_exact(&mut bytes).map_err(cut)?;
                Ok(bytes)
            };
            let [name, extra, comment] = lengths;
            [next(name)?, next(extra)?, next(comment)?]
        };
        let [packed, unpacked] = sizes;
        let [unpacked_bytes, packed_bytes, at] = large_sizes([unpacked, packed, at], &extra)?;
        Ok(Self {
            name,
            method,
            crc,
            packed_bytes,
            unpacked_bytes,
            at,
        })
    }
}

/// Each number that does not fit is stored in the extra field, in this order.
fn large_sizes(small: [u32; 3], extra: &[u8]) -> Result<[u64; 3], ZipError> {
    let mut large = small.map(u64::from);
    if !small.contains(&u32::MAX) {
        return Ok(large);
    }
    let mut fields = Fields(extra);
    loop {
        let (kind, length) = (fields.u16()?, usize::from(fields.u16()?));
        if kind == LARGE_SIZES {
            break;
        }
        fields.skip(length)?;
    }
    for number in large.iter_mut().filter(|number| **number == u64::from(u32::MAX)) {
        *number = fields.u64()?;
    }
    Ok(large)
}

/// Reads little-endian numbers.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> Result<[u8; N], ZipError> {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .ok_or(ZipError::Broken("it ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn u16(&mut self) -> Result<u16, ZipError> {
        Ok(u16::from_le_bytes(self.next()?))
    }

    fn u32(&mut self) -> Result<u32, ZipError> {
        Ok(u32::from_le_bytes(self.next()?))
    }

    fn u64(&mut self) -> Result<u64, ZipError> {
        Ok(u64::from_le_bytes(self.next()?))
    }

    fn skip(&mut self, bytes: usize) -> Result<(), ZipError> {
        self.0 = self.0.get(bytes..).ok_or(ZipError::Broken("it ends too early"))?;
        Ok(())
    }
}

/// A part of a file, read by offset.
struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = self
            .file
            .read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Cursor, Write as _};

    use proptest::prelude::*;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn packed(entries: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            let options = SimpleFileOptions::default().compression_method(method);
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ZipError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut found = Vec::new();
        Archive::open(&file)?.for_each(".json", &mut |content: &[u8]| {
            found.push(content.to_vec());
            Ok::<_, ZipError>(())
        })?;
        Ok(found)
    }

    #[track_caller]
    fn refuse(bytes: &[u8], problem: &str) {
        assert_eq!(read(bytes).unwrap_err().to_string(), problem);
    }

    fn small() -> Vec<u8> {
        packed(&[("a.json", b"{\"id\":\"a\"}")], zip::CompressionMethod::Deflated)
    }

    #[test]
    fn what_another_program_packed_is_read_and_other_names_are_left_out() {
        let entries: [(&str, &[u8]); 3] = [("a.json", b"{}"), ("b.txt", b"text"), ("d/c.json", b"[1]")];
        for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
            assert_eq!(
                read(&packed(&entries, method)).unwrap(),
                [b"{}".to_vec(), b"[1]".to_vec()]
            );
        }
        assert_eq!(
            read(&packed(&[], zip::CompressionMethod::Stored)).unwrap(),
            Vec::<Vec<u8>>::new()
        );
    }

    #[test]
    fn an_archive_of_more_entries_than_fit_in_two_bytes_is_read() {
        let names: Vec<String> = (0..70_000).map(|number| format!("{number}.json")).collect();
        let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"{}"[..])).collect();
        let bytes = packed(&entries, zip::CompressionMethod::Stored);
        assert_eq!(read(&bytes).unwrap().len(), 70_000);
    }

    #[test]
    fn a_changed_byte_a_cut_and_a_wrong_count_are_refused() {
        let whole = small();
        refuse(b"<html>Not Found</html>................", "it has no directory");
        refuse(&whole[..whole.len() / 2], "it has no directory");
        // The first byte of the compressed content, after a header of 30 bytes and a name of six.
        let mut changed = whole.clone();
        changed[37] ^= 0x10;
        assert!(read(&changed).is_err());
        let end = whole.len() - 22;
        let mut many = whole.clone();
        many[end + 8..end + 12].copy_from_slice(&[9, 0, 9, 0]);
        refuse(&many, "it ends too early");
        let mut few = whole.clone();
        few[end + 8..end + 12].copy_from_slice(&[0, 0, 0, 0]);
        refuse(&few, "it has more entries than it declares");
        let mut shorter = whole.clone();
        let directory = whole.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        shorter[directory + 24] -= 1;
        refuse(&shorter, "an entry has a wrong checksum");
    }

    #[test]
    fn ten_million_entries_are_refused_before_they_are_read() {
        let mut bytes = Vec::new();
        bytes.extend(LARGE_END.to_le_bytes());
        bytes.extend([0; 28]);
        bytes.extend(10_000_000_u64.to_le_bytes());
        bytes.extend(460_000_000_u64.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(LOCATOR.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(END.to_le_bytes());
        bytes.extend([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        bytes.extend([0xff; 8]);
        bytes.extend([0, 0]);
        refuse(&bytes, "it has more than 1,000,000 entries");
    }

    #[test]
    fn a_bomb_is_refused() {
        let large = vec![b' '; (8 << 20) + 1];
        refuse(
            &packed(&[("a.json", &large)], zip::CompressionMethod::Deflated),
            "an entry is larger than 8 MiB",
        );
        let spaces = vec![b' '; 1 << 16];
        let two: [(&str, &[u8]); 2] = [("a.json", &spaces), ("b.json", &spaces)];
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&packed(&two, zip::CompressionMethod::Deflated))
            .unwrap();
        let mut archive = Archive::open(&file).unwrap();
        archive.unpacked_max = 1 << 16;
        let visited = archive.for_each(".json", &mut |_| Ok::<_, ZipError>(()));
        assert_eq!(
            visited.unwrap_err().to_string(),
            "it unpacks to implausibly more than its size"
        );
        // An entry that declares a small size is read only up to that size.
        let mut lying = packed(&[("a.json", &spaces)], zip::CompressionMethod::Deflated);
        let directory = lying.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        lying[directory + 24..directory + 28].copy_from_slice(&10_u32.to_le_bytes());
        refuse(&lying, "an entry has a wrong checksum");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(change in 0_usize..120, value in any::<u8>(), cut in 0_usize..120) {
            let mut bytes = small();
            if let Some(byte) = bytes.get_mut(change) {
                *byte = value;
            }
            let _ = read(&bytes);
            bytes.truncate(cut);
            let _ = read(&bytes);
        }
    }

    #[test]
    fn a_file_on_disk_is_not_moved_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("all.zip");
        fs::write(&path, small()).unwrap();
        let file = File::open(&path).unwrap();
        for _ in 0..2 {
            let mut count = 0;
            let archive = Archive::open(&file).unwrap();
            let visited = archive.for_each(".json", &mut |_| {
                count += 1;
                Ok::<_, ZipError>(())
            });
            assert!(visited.is_ok() && count == 1);
        }
    }
}
