//! The documents in a file: one advisory, a list of them, or an archive of many.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::import::ImportError;
use crate::osv::Document;

/// The largest documents that databases publish have a few megabytes.
const DOCUMENT_BYTES_MAX: u64 = 32 << 20;
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Visits every advisory of a file. What is not one is said so, and left out.
pub(super) fn for_each_document(
    path: &Path,
    visit: &mut dyn FnMut(Result<Document, String>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let open = || File::open(path).map_err(|error| ImportError::Read(path.to_owned(), error));
    if has_extension(path, "zip") {
        return for_each_in_archive(path, open()?, visit);
    }
    let mut bytes = Vec::new();
    let read = open()?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| ImportError::Read(path.to_owned(), error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ImportError::TooLarge(path.to_owned()));
    }
    // A file of lines has a document on each; so has a file with one line.
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

fn for_each_in_archive(
    path: &Path,
    file: File,
    visit: &mut dyn FnMut(Result<Document, String>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let broken = |error: zip::result::ZipError| ImportError::Archive(path.to_owned(), error);
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    for place in 0..archive.len() {
        let entry = archive.by_index(place).map_err(broken)?;
        let is_json = entry.name().map_err(broken)?.ends_with(".json");
        if !entry.is_file() || !is_json {
            continue;
        }
        let mut bytes = Vec::new();
        let read = entry.take(DOCUMENT_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|error| ImportError::Read(path.to_owned(), error))?;
        visit(parse(&bytes))?;
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
