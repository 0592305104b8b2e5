//! The documents in a file: one advisory, a list of them, or an archive of many.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::import::ImportError;
use super::zip::{Archive, ZipError};
use crate::osv::Document;

const FILE_BYTES_MAX: u64 = 256 << 20;
/// A two-byte value takes many times its size in memory.
const VALUES_MAX: usize = 150_000;
const OBJECTS_MAX: usize = 50_000;

/// Visits every advisory of a file. Other documents are reported and skipped.
pub(super) fn for_each_document(
    path: &Path,
    visit: &mut dyn FnMut(Result<Document, String>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let open = || File::open(path).map_err(|error| ImportError::Read(path.to_owned(), error));
    if has_extension(path, "zip") {
        return for_each_in_archive(path, &open()?, visit);
    }
    let mut bytes = Vec::new();
    let read = open()?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| ImportError::Read(path.to_owned(), error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ImportError::TooLarge(path.to_owned()));
    }
    // A `.jsonl` file has a document on each line, even if it has only one line.
    if has_extension(path, "jsonl") {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            visit(parse(line))?;
        }
        return Ok(());
    }
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return visit(parse(&bytes));
    }
    match serde_json::from_slice::<Vec<Value>>(&bytes) {
        Ok(list) => list
            .into_iter()
            .try_for_each(|value| visit(serde_json::from_value(value).map_err(|error| error.to_string()))),
        Err(error) => visit(Err(error.to_string())),
    }
}

/// Visits every advisory of an archive, whatever the file's name.
pub(super) fn for_each_in_archive(
    path: &Path,
    file: &File,
    visit: &mut dyn FnMut(Result<Document, String>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let broken = |error: ZipError| ImportError::Archive(path.to_owned(), error);
    let archive = Archive::open(file).map_err(broken)?;
    let visited = archive.for_each(".json", &mut |bytes| {
        let document = fits(bytes).and_then(|()| parse(bytes));
        visit(document).map_err(Failure::Visit)
    });
    visited.map_err(|failure| match failure {
        Failure::Archive(error) => broken(error),
        Failure::Visit(error) => error,
    })
}

enum Failure {
    Archive(ZipError),
    Visit(ImportError),
}

impl From<ZipError> for Failure {
    fn from(error: ZipError) -> Self {
        Self::Archive(error)
    }
}

/// Refuses a document with too many values, which are counted before it is parsed.
fn fits(bytes: &[u8]) -> Result<(), String> {
    let (mut values, mut objects) = (0, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' => objects += 1,
            b',' | b'[' => values += 1,
            _ => {}
        }
    }
    if values > VALUES_MAX || objects > OBJECTS_MAX {
        return Err("it has more parts than are read".to_owned());
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Document, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

pub(super) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_too_many_parts_is_not_parsed() {
        let versions = |count: usize| format!("{{\"a\":[{}\"1\"]}}", "\"1\",".repeat(count));
        assert!(fits(versions(140_000).as_bytes()).is_ok());
        assert!(fits(versions(150_000).as_bytes()).is_err());
        let objects = |count: usize| format!("[{}{{}}]", "{},".repeat(count));
        assert!(fits(objects(45_000).as_bytes()).is_ok());
        assert!(fits(objects(50_000).as_bytes()).is_err());
        let text = format!("\"{}\\\"{}\"", "{,".repeat(300_000), "{,".repeat(300_000));
        assert!(fits(text.as_bytes()).is_ok());
    }
}
