//! The loaded advisories, in separate databases, by ecosystem and package.

mod directory;
mod documents;
mod import;
mod lookup;
mod private_file;
mod sets;
mod zip;

use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::ScanError;
use crate::osv::SeverityScore;

use sets::Sets;

pub use import::{ImportError, Imported};
pub(crate) use lookup::Match;
pub use sets::{Part, SetUpdate};
pub use zip::ZipError;

const FILE_NAME: &str = "advisories.db";
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// When this number changes, the file is created again: its content can be loaded again.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
-- A file that advisories were read from, to see that it has changed; the empty name stands for what was imported.
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    modified_at INTEGER NOT NULL
) STRICT;

CREATE TABLE advisories (
    id INTEGER PRIMARY KEY,
    osv_id TEXT NOT NULL UNIQUE,
    source_id INTEGER NOT NULL REFERENCES sources (id),
    modified_at INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX advisories_by_source ON advisories (source_id);
CREATE INDEX advisories_by_modification ON advisories (modified_at);

CREATE TABLE affected (
    ecosystem TEXT NOT NULL,
    name TEXT NOT NULL,
    advisory_id INTEGER NOT NULL REFERENCES advisories (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (ecosystem, name, advisory_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX affected_by_advisory ON affected (advisory_id);

-- Counts the changes, so that whoever asks knows whether there is anything new.
CREATE TABLE revision (number INTEGER NOT NULL) STRICT;
INSERT INTO revision VALUES (0);

-- What was found in a layer, in the shape of one version of the readers.
CREATE TABLE inventories (
    layer TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    used INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    unpacked_bytes INTEGER NOT NULL,
    sources TEXT NOT NULL,
    files BLOB NOT NULL,
    whiteouts BLOB NOT NULL,
    opaque BLOB NOT NULL
) STRICT;
CREATE INDEX inventories_by_use ON inventories (used);
";

/// Separate from the schema, so that data of an earlier version is kept. It holds the ecosystems of the
/// packages in each layer, including layers whose inventory is not kept.
const LAYER_ECOSYSTEMS: &str = "
CREATE TABLE IF NOT EXISTS layer_ecosystems (
    layer TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    ecosystems TEXT NOT NULL
) STRICT;
";

/// The data of an advisory other than its affected packages.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) cves: Vec<String>,
    pub(crate) text: String,
    pub(crate) summary: String,
    pub(crate) published_at: Option<i64>,
    pub(crate) word: Option<String>,
    pub(crate) severity: Vec<SeverityScore>,
    pub(crate) references: Vec<String>,
}

/// The open databases. Another process may import or update them at the same time.
pub struct Advisories {
    connection: Mutex<Connection>,
    sets: Mutex<Sets>,
    data: PathBuf,
    directory: Option<PathBuf>,
}

impl Advisories {
    /// Opens the databases in a data directory. The files of `directory` are checked before each scan.
    pub fn open(data: &Path, directory: Option<PathBuf>) -> Result<Self, ScanError> {
        let connection = private_file::open_database(&data.join(FILE_NAME)).map_err(ScanError::Database)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY;",
        )?;
        prepare(&connection)?;
        connection.execute_batch(LAYER_ECOSYSTEMS)?;
        Ok(Self {
            connection: Mutex::new(connection),
            sets: Mutex::default(),
            data: data.to_owned(),
            directory,
        })
    }

    /// A poisoned lock is safe to use: the panic rolled back its transaction.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the imported advisories and every fetched set. No other function holds both locks.
    fn with_all<T>(&self, read: impl FnOnce(&[&Connection]) -> Result<T, ScanError>) -> Result<T, ScanError> {
        let imported = self.connection();
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let connections: Vec<_> = iter::once(&*imported).chain(sets.connections()).collect();
        read(&connections)
    }

    fn each(&self, visit: &mut dyn FnMut(&Connection) -> Result<(), ScanError>) -> Result<(), ScanError> {
        self.with_all(|connections| connections.iter().try_for_each(|connection| visit(connection)))
    }

    /// Loads what has changed since the last check.
    pub(crate) fn refresh(&self) -> Result<(), ScanError> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.refresh(&self.data)?;
        drop(sets);
        self.refresh_directory()
    }

    /// A number that changes whenever the loaded advisories change.
    pub fn revision(&self) -> Result<i64, ScanError> {
        self.refresh()?;
        let number = self
            .connection()
            .query_row("SELECT number FROM revision", [], |row| row.get(0))?;
        Ok(number)
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != SCHEMA_VERSION {
        for table in ["inventories", "affected", "advisories", "sources", "revision"] {
            transaction.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
        }
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}
