//! A directory of advisories that is checked again before each scan.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rusqlite::{Connection, TransactionBehavior};

use super::Advisories;
use super::documents::has_extension;
use super::import::{ImportError, Imported, count_change, ensure_source, import_file};
use crate::ScanError;

const FILES_MAX: usize = 1_000_000;
const DEPTH_MAX: usize = 16;

pub(super) struct AdvisoryFile {
    pub(super) path: PathBuf,
    size: i64,
    modified_at: i64,
}

/// Lists the files that may contain advisories. Links are not followed.
pub(super) fn files_below(directory: &Path) -> io::Result<Vec<AdvisoryFile>> {
    let mut found = Vec::new();
    let mut left = vec![(directory.to_owned(), 0)];
    while let Some((directory, depth)) = left.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (path, metadata) = (entry.path(), entry.metadata()?);
            if metadata.is_dir() && depth < DEPTH_MAX {
                left.push((path, depth + 1));
            } else if metadata.is_file()
                && ["json", "jsonl", "zip"]
                    .iter()
                    .any(|kind| has_extension(&path, kind))
                && found.len() < FILES_MAX
            {
                found.push(AdvisoryFile {
                    path,
                    size: i64::try_from(metadata.len()).unwrap_or(i64::MAX),
                    modified_at: modified_at(&metadata),
                });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

fn modified_at(metadata: &fs::Metadata) -> i64 {
    let time = metadata.modified().ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Advisories {
    /// Loads what has changed in the directory since the last check.
    pub(super) fn refresh_directory(&self) -> Result<(), ScanError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let files = files_below(directory).map_err(ScanError::Directory)?;
        let mut connection = self.connection();
        let mut known = known_sources(&connection)?;
        let changed: Vec<_> = files
            .iter()
            .filter(|file| {
                let before = known.remove(&name_of(file));
                before.is_none_or(|(_, size, modified)| (size, modified) != (file.size, file.modified_at))
            })
            .collect();
        if changed.is_empty() && known.is_empty() {
            return Ok(());
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (source, _, _) in known.values() {
            transaction.execute("DELETE FROM advisories WHERE source_id = ?1", [source])?;
            transaction.execute("DELETE FROM sources WHERE id = ?1", [source])?;
        }
        for file in changed {
            take_in(&transaction, file)?;
        }
        count_change(&transaction)?;
        transaction.commit()?;
        Ok(())
    }
}

/// The sources that are files.
fn known_sources(connection: &Connection) -> rusqlite::Result<HashMap<String, (i64, i64, i64)>> {
    let mut statement =
        connection.prepare("SELECT name, id, size, modified_at FROM sources WHERE name <> ''")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
    })?;
    rows.collect()
}

fn name_of(file: &AdvisoryFile) -> String {
    file.path.to_string_lossy().into_owned()
}

/// Loads one file. A file that cannot be read does not prevent the use of the others.
fn take_in(connection: &Connection, file: &AdvisoryFile) -> rusqlite::Result<()> {
    // The recorded size is wrong until the file is loaded, so the next process loads it if this one ends.
    let source = ensure_source(connection, &name_of(file), -1, file.modified_at)?;
    connection.execute("DELETE FROM advisories WHERE source_id = ?1", [source])?;
    let mut imported = Imported::default();
    let path = file.path.display();
    let result = import_file(connection, source, &file.path, &mut imported);
    ensure_source(connection, &name_of(file), file.size, file.modified_at)?;
    match result {
        Ok(()) => {
            let Imported {
                advisories,
                refused,
                first_refusal,
            } = imported;
            tracing::info!(%path, advisories, "advisories were loaded");
            if let Some(problem) = first_refusal {
                tracing::warn!(%path, refused, problem, "invalid advisories were left out");
            }
            Ok(())
        }
        Err(ImportError::Store(error)) => Err(error),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%path, error, "advisories could not be loaded");
            Ok(())
        }
    }
}
