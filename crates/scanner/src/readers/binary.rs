//! Programs that list the modules they were built from: Go programs, and Rust programs built with
//! `cargo auditable`.
//!
//! A program is read through a window of bounded size. Both kinds of list are recognized by their first
//! bytes, so neither the section table at the end of a program nor its segments are needed.

use std::io::Read;

use flate2::read::ZlibDecoder;
use flate2::{Decompress, FlushDecompress};

use super::sink::Sink;
use super::{ReadError, cargo, go::BuildInfo};
use crate::error::Carried;
use crate::limits::{Budget, LayerBytes};

const ELF: [u8; 4] = *b"\x7fELF";
/// The size of the window, and so the longest list.
const WINDOW_BYTES: usize = 1 << 20;
const LIST_BYTES_MAX: usize = 256 << 10;
const AUDIT_BYTES_MAX: u64 = 4 << 20;

const GO_MAGIC: [u8; 14] = *b"\xff Go buildinf:";
/// Since Go 1.18 the version and the modules are stored right here, not elsewhere in the program.
const GO_INLINE_FLAG: u8 = 2;
const GO_HEADER_BYTES: usize = 32;
const GO_ALIGNMENT: usize = 16;
/// The list of modules is enclosed in two marks.
const GO_MARK_BYTES: usize = 16;

/// Enough to recognize the beginning of a list: the codes of a block are shorter.
const AUDIT_HEAD_BYTES: usize = 1024;
/// The first byte of compressed data.
const ZLIB: u8 = 0x78;
const AUDIT_START: [u8; 13] = *br#"{"packages":["#;

/// Finds nothing in files that are not programs.
pub(super) fn read(content: &mut dyn Read, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let mut window = Vec::new();
    if content.take(4).read_to_end(&mut window)? < 4 || window != ELF {
        return Ok(());
    }
    let mut inflater = Decompress::new(true);
    let mut ended = false;
    // The offset of the window in the program.
    let mut offset = 0_usize;
    while !ended {
        let wanted = (WINDOW_BYTES - window.len()) as u64;
        ended = (content.take(wanted).read_to_end(&mut window)? as u64) < wanted;
        let searched = if ended {
            window.len()
        } else {
            window.len() - LIST_BYTES_MAX
        };
        if search(&mut inflater, &window, (searched, offset), sink)? {
            return Ok(());
        }
        window.drain(..searched);
        offset += searched;
    }
    Ok(())
}

/// Whether a list begins before `searched`. A place that only looks like the beginning of a list costs much
/// more to check than its size suggests, so each check tests the time limit.
fn search(
    inflater: &mut Decompress,
    window: &[u8],
    (searched, offset): (usize, usize),
    sink: &mut Sink<'_>,
) -> Result<bool, Carried> {
    let to_alignment = offset.next_multiple_of(GO_ALIGNMENT) - offset;
    let rest_at = |place: usize| window.get(place..).unwrap_or_default();
    for place in (to_alignment..searched).step_by(GO_ALIGNMENT) {
        if !rest_at(place).starts_with(&GO_MAGIC) {
            continue;
        }
        sink.budget().clock()?;
        if let Some(info) = go_info(rest_at(place)) {
            info.read(sink)?;
            return Ok(true);
        }
    }
    let places = window.get(..searched).unwrap_or_default().iter().enumerate();
    for (place, _) in places.filter(|(_, byte)| **byte == ZLIB) {
        if begins_list(rest_at(place))
            && let Some(json) = audit(inflater, rest_at(place), sink.budget())?
            && cargo::read_audit(&json, sink)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn go_info(bytes: &[u8]) -> Option<BuildInfo<'_>> {
    let header = bytes.strip_prefix(&GO_MAGIC)?;
    if header.get(1)? & GO_INLINE_FLAG == 0 {
        return None;
    }
    let (go_version, rest) = go_string(bytes.get(GO_HEADER_BYTES..)?)?;
    let (modules, _) = go_string(rest)?;
    let go_version = std::str::from_utf8(go_version).ok()?;
    // Programs that search for the magic contain it as a constant too.
    if !go_version.starts_with("go") && !go_version.starts_with("devel") {
        return None;
    }
    let end = modules.len().saturating_sub(GO_MARK_BYTES);
    let modules = modules.get(GO_MARK_BYTES..end).unwrap_or_default();
    Some(BuildInfo {
        go_version,
        modules: std::str::from_utf8(modules).ok()?,
    })
}

/// A length with seven bits in each byte, then that many bytes.
fn go_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (place, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let rest = bytes.get(place + 1..)?;
            return rest.split_at_checked(length);
        }
    }
    None
}

/// Whether these may be the first two bytes of compressed data.
fn begins_list(bytes: &[u8]) -> bool {
    let header = bytes.first_chunk().map(|header| u16::from_be_bytes(*header));
    header.is_some_and(|header| header.is_multiple_of(31))
}

/// The list of crates, if these bytes are a compressed list.
fn audit(inflater: &mut Decompress, bytes: &[u8], budget: &Budget) -> Result<Option<Vec<u8>>, Carried> {
    budget.clock()?;
    let mut start = [0; AUDIT_START.len()];
    inflater.reset(true);
    let head = bytes.get(..AUDIT_HEAD_BYTES).unwrap_or(bytes);
    let begun = inflater.decompress(head, &mut start, FlushDecompress::None);
    if begun.is_err() || start != AUDIT_START {
        return Ok(None);
    }
    let mut json = Vec::new();
    let list = bytes.get(..LIST_BYTES_MAX).unwrap_or(bytes);
    let whole = ZlibDecoder::new(list)
        .take(AUDIT_BYTES_MAX)
        .read_to_end(&mut json);
    budget.unpacked(json.len() as u64, LayerBytes::default())?;
    Ok(whole.is_ok().then_some(json))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::ZlibEncoder;

    use super::super::packages;
    use super::*;
    use crate::package::{Manager, Package};

    fn found(program: &[u8]) -> Result<Vec<Package>, ReadError> {
        packages(|content, _, sink| read(content, sink), program)
    }

    /// A program with these bytes at an offset.
    fn program(place: usize, bytes: &[u8], size: usize) -> Vec<u8> {
        let mut program: Vec<u8> = ELF.to_vec();
        // Every second byte could begin a compressed list.
        program.extend((4..size).map(|at| if at % 2 == 0 { 0x78 } else { 0x9c }));
        program[place..place + bytes.len()].copy_from_slice(bytes);
        program
    }

    fn go_list() -> Vec<u8> {
        let mut list = [&GO_MAGIC[..], &[8, GO_INLINE_FLAG]].concat();
        list.resize(GO_HEADER_BYTES, 0);
        let modules = format!(
            "{0}dep\tgolang.org/x/net\tv0.16.0\n{0}",
            "m".repeat(GO_MARK_BYTES)
        );
        for text in ["go1.21.3", &modules] {
            list.push(u8::try_from(text.len()).unwrap());
            list.extend_from_slice(text.as_bytes());
        }
        list
    }

    #[test]
    fn the_modules_of_a_program_are_found_wherever_they_stand() {
        let list = go_list();
        for place in [
            16,
            WINDOW_BYTES - LIST_BYTES_MAX - 16,
            WINDOW_BYTES - 16,
            WINDOW_BYTES + 160,
        ] {
            let program = program(place, &list, place + 4096);
            assert_eq!(found(&program).unwrap().len(), 2, "at {place}");
        }
        let unaligned = program(24, &list, 4096);
        assert_eq!(found(&unaligned).unwrap(), []);
    }

    #[test]
    fn the_crates_of_an_auditable_program_are_found() {
        let json = br#"{"packages":[{"name":"app","version":"0.1.0","source":"local","root":true},
            {"name":"time","version":"0.1.43","source":"crates.io"},
            {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"}]}"#;
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::new(7));
        encoder.write_all(json).unwrap();
        let program = program(5001, &encoder.finish().unwrap(), 9000);
        assert_eq!(
            found(&program).unwrap(),
            [Package::named(Manager::Cargo, "time", "0.1.43").unwrap()]
        );
    }

    #[test]
    fn other_files_are_no_programs() {
        for content in [&b""[..], b"\x7fEL", b"#!/bin/sh\n"] {
            assert_eq!(found(content).unwrap(), []);
        }
        assert_eq!(found(&ELF).unwrap(), []);
    }
}
