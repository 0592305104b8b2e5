//! Loads advisories into rows that a scan finds by package.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::directory::files_below;
use super::documents::for_each_document;
use super::zip::ZipError;
use super::{Advisories, Record};
use crate::ScanError;
use crate::osv::{Affected, AffectedVersions, Document, SeverityScore, Specific};
use crate::release::canonical_ecosystem;

const ID_BYTES_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 8 << 10;
const REFERENCES_MAX: usize = 32;
const CVES_MAX: usize = 256;
const ADVISORIES_PER_COMMIT: usize = 2_000;
/// The source of advisories that were loaded by hand.
const BY_HAND: &str = "";

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("`{0}` could not be read")]
    Read(PathBuf, #[source] io::Error),
    #[error("`{0}` is larger than 256 MiB: give it as a zip file or as one file for each advisory")]
    TooLarge(PathBuf),
    #[error("`{0}` is not a zip file that can be read")]
    Archive(PathBuf, #[source] ZipError),
    #[error("{0} is not an advisory in the OSV format")]
    NoAdvisory(String),
    #[error("`{0}` has no advisories")]
    Empty(PathBuf),
    #[error("the advisories could not be written")]
    Write(#[source] io::Error),
    #[error("the advisories could not be opened")]
    Open(#[source] ScanError),
    #[error("the import was stopped")]
    Stopped,
    #[error("the advisories could not be stored")]
    Store(#[from] rusqlite::Error),
    #[error("an advisory could not be stored")]
    Record(#[from] serde_json::Error),
}

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub advisories: usize,
    /// The number of documents that are not advisories in the OSV format, and the reason for the first one.
    pub refused: usize,
    pub first_refusal: Option<String>,
}

/// The data of a package in `affected`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct AffectedRecord {
    #[serde(flatten)]
    pub(super) versions: AffectedVersions,
    pub(super) word: Option<String>,
    pub(super) severity: Vec<SeverityScore>,
}

impl Advisories {
    /// Loads a file, a zip file, or all files in a directory. An advisory replaces an older version of
    /// itself.
    pub fn import(&self, path: &Path) -> Result<Imported, ImportError> {
        let read = |error| ImportError::Read(path.to_owned(), error);
        let files = if std::fs::metadata(path).map_err(read)?.is_dir() {
            files_below(path)
                .map_err(read)?
                .into_iter()
                .map(|file| file.path)
                .collect()
        } else {
            vec![path.to_owned()]
        };
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let source = ensure_source(&transaction, BY_HAND, 0, 0)?;
        let mut imported = Imported::default();
        for file in files {
            import_file(&transaction, source, &file, &mut imported)?;
        }
        count_change(&transaction)?;
        transaction.commit()?;
        Ok(imported)
    }
}

pub(super) fn count_change(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE revision SET number = number + 1", [])?;
    Ok(())
}

pub(super) fn ensure_source(
    connection: &Connection,
    name: &str,
    size: i64,
    modified_at: i64,
) -> rusqlite::Result<i64> {
    connection.query_row(
        "INSERT INTO sources (name, size, modified_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET size = excluded.size, modified_at = excluded.modified_at RETURNING id",
        params![name, size, modified_at],
        |row| row.get(0),
    )
}

pub(super) fn import_file(
    connection: &Connection,
    source: i64,
    path: &Path,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    for_each_document(path, &mut |document| {
        take(connection, source, path, document, imported)
    })
}

/// Stores the document if it is an advisory; otherwise counts and skips it.
pub(super) fn take(
    connection: &Connection,
    source: i64,
    path: &Path,
    document: Result<Document, String>,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let refusal = match document {
        Ok(document) if document.id.is_empty() || document.id.len() > ID_BYTES_MAX => {
            "its `id` is missing or too long".to_owned()
        }
        Ok(document) => {
            store(connection, source, document)?;
            imported.advisories += 1;
            // Scans can run between the parts of a large import.
            if imported.advisories.is_multiple_of(ADVISORIES_PER_COMMIT) {
                connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
            }
            return Ok(());
        }
        Err(problem) => problem,
    };
    imported.refused += 1;
    let first = || format!("`{}`: {refusal}", path.display());
    imported.first_refusal.get_or_insert_with(first);
    Ok(())
}

/// Stores an advisory. A withdrawn advisory removes its older version.
fn store(connection: &Connection, source: i64, document: Document) -> Result<(), ImportError> {
    let modified_at = milliseconds(&document.modified).unwrap_or(0);
    let standing: Option<i64> = connection
        .prepare_cached("SELECT modified_at FROM advisories WHERE osv_id = ?1")?
        .query_row([&document.id], |row| row.get(0))
        .optional()?;
    if standing.is_some_and(|standing| standing > modified_at) {
        return Ok(());
    }
    connection
        .prepare_cached("DELETE FROM advisories WHERE osv_id = ?1")?
        .execute([&document.id])?;
    if document.withdrawn.is_some() {
        return Ok(());
    }
    let record = serde_json::to_string(&record(&document))?;
    let advisory_id: i64 = connection
        .prepare_cached(
            "INSERT INTO advisories (osv_id, source_id, modified_at, record) VALUES (?1, ?2, ?3, ?4) RETURNING id",
        )?
        .query_row(params![document.id, source, modified_at, record], |row| row.get(0))?;
    for (place, affected) in document.affected.into_iter().enumerate() {
        store_affected(connection, advisory_id, place, affected)?;
    }
    Ok(())
}

fn store_affected(
    connection: &Connection,
    advisory_id: i64,
    place: usize,
    affected: Affected,
) -> Result<(), ImportError> {
    let versions = AffectedVersions::of(affected.ranges, affected.versions);
    let Some(package) = affected.package.filter(|_| !versions.is_empty()) else {
        return Ok(());
    };
    let specific = [affected.ecosystem_specific, affected.database_specific];
    let record = AffectedRecord {
        word: specific
            .iter()
            .flatten()
            .find_map(Specific::word)
            .map(str::to_owned),
        versions,
        severity: affected.severity,
    };
    connection
        .prepare_cached(
            "INSERT INTO affected (ecosystem, name, advisory_id, place, record) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            canonical_ecosystem(&package.ecosystem),
            canonical_name(&package.ecosystem, &package.name),
            advisory_id,
            i64::try_from(place).unwrap_or(i64::MAX),
            serde_json::to_string(&record)?,
        ])?;
    Ok(())
}

/// Python treats `Foo_Bar` and `foo-bar` as one name.
pub(super) fn canonical_name(ecosystem: &str, name: &str) -> String {
    if ecosystem != "PyPI" {
        return name.to_owned();
    }
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn record(document: &Document) -> Record {
    let names = [&document.id]
        .into_iter()
        .chain(&document.aliases)
        .chain(&document.upstream);
    let mut cves: Vec<String> = names.filter_map(|name| cve(name)).take(CVES_MAX).collect();
    cves.sort();
    cves.dedup();
    let summary = document.summary.as_deref().unwrap_or_default();
    let text = document
        .details
        .as_deref()
        .filter(|details| !details.is_empty())
        .unwrap_or(summary);
    Record {
        cves,
        text: cut(text, TEXT_BYTES_MAX),
        summary: cut(summary, TEXT_BYTES_MAX),
        published_at: document.published.as_deref().and_then(milliseconds),
        word: document
            .database_specific
            .as_ref()
            .and_then(Specific::word)
            .map(str::to_owned),
        severity: document.severity.clone(),
        references: document
            .references
            .iter()
            .map(|reference| &reference.url)
            .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
            .take(REFERENCES_MAX)
            .cloned()
            .collect(),
    }
}

/// The CVE name in an identifier such as `DEBIAN-CVE-2023-4911`.
fn cve(identifier: &str) -> Option<String> {
    let start = identifier.find("CVE-")?;
    let name = identifier.get(start..)?;
    let (year, number) = name.strip_prefix("CVE-")?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(year) && digits(number)).then(|| name.to_owned())
}

fn cut(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or(text)
        .to_owned()
}

fn milliseconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}
