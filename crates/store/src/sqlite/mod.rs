//! SQLite: one file that the user can open with `sqlite3`.

mod connection;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::OpenFlags;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;

use crate::StoreError;
use crate::backend::{Access, Backend, Connection, Snapshots};
use crate::io::Flushing;
use crate::sqlite::connection::Sqlite;

const STATEMENTS_KEPT: usize = 128;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const PAGES_COPIED_AT_ONCE: i32 = 1_000;
const COPY_PAUSE: Duration = Duration::from_millis(10);

/// The database in a data directory, and the files that SQLite keeps beside it.
pub(crate) const FILE: &str = "ecru.sqlite";
pub(crate) const FILES: [&str; 3] = [FILE, "ecru.sqlite-wal", "ecru.sqlite-shm"];

/// A database in a file, which must exist and may be empty. SQLite gives the files beside it the same mode.
pub(crate) struct SqliteFile {
    path: PathBuf,
    flushing: Flushing,
}

impl SqliteFile {
    pub(crate) fn new(path: PathBuf, flushing: Flushing) -> SqliteFile {
        SqliteFile { path, flushing }
    }

    fn open(&self, access: Access) -> Result<Sqlite, StoreError> {
        let opened = match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection =
            rusqlite::Connection::open_with_flags(&self.path, opened | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(failure)?;

        self.configure(&connection, access).map_err(failure)?;
        Sqlite::new(connection, access)
    }

    fn is_empty(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == 0)
    }

    fn configure(&self, connection: &rusqlite::Connection, access: Access) -> rusqlite::Result<()> {
        // The bundled build has STAT4, which prepares a statement again whenever a parameter is bound again,
        // unless the planner must not look at parameters.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2000;")?;

        if access == Access::Write {
            let synchronous = match self.flushing {
                Flushing::Always => "PRAGMA synchronous = FULL;",
                Flushing::Never => "PRAGMA synchronous = OFF;",
            };
            // Switching to the WAL already flushes. An empty file has nothing to lose: it is flushed, with
            // its first tables, before any data is kept in it.
            connection.execute_batch(if self.is_empty() {
                "PRAGMA synchronous = OFF;"
            } else {
                synchronous
            })?;
            connection.execute_batch(
                "PRAGMA fullfsync = ON;
                 PRAGMA checkpoint_fullfsync = ON;
                 PRAGMA journal_mode = WAL;
                 PRAGMA foreign_keys = ON;
                 PRAGMA journal_size_limit = -1;
                 PRAGMA wal_autocheckpoint = 0;",
            )?;
            connection.execute_batch(synchronous)?;
        }
        Ok(())
    }
}

impl Backend for SqliteFile {
    fn connect(&self, access: Access) -> Result<Box<dyn Connection>, StoreError> {
        let connection = self.open(access)?;
        if access == Access::Write {
            connection.examine(&self.path)?;
        }
        Ok(Box::new(connection))
    }

    fn reconnect(&self) -> Result<Box<dyn Connection>, StoreError> {
        let connection = self.open(Access::Write)?;
        connection.truncate_log()?;
        Ok(Box::new(connection))
    }

    fn examine(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.open(Access::Read)?;
        let mut complaints = Vec::new();
        connection.query("PRAGMA integrity_check(100)", &[], &mut |row| {
            complaints.push(row.text(0)?.to_owned());
            Ok(ControlFlow::Continue(()))
        })?;
        complaints.retain(|complaint| complaint != "ok");
        connection.query(
            "SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 100",
            &[],
            &mut |row| {
                complaints.push(format!(
                    "a row of `{}` refers to a row of `{}` that is not there",
                    row.text(0)?,
                    row.text(1)?
                ));
                Ok(ControlFlow::Continue(()))
            },
        )?;
        Ok(complaints)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        Some(self)
    }
}

impl Snapshots for SqliteFile {
    fn extension(&self) -> &'static str {
        "sqlite"
    }

    fn copy(&self, target: &Path, go_on: &dyn Fn() -> bool) -> Result<bool, StoreError> {
        let source = rusqlite::Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(failure)?;
        source.busy_timeout(BUSY_TIMEOUT).map_err(failure)?;
        // Held to the end, so that every step sees the same state and no commit restarts the copy.
        source
            .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")
            .map_err(failure)?;

        let mut copy = rusqlite::Connection::open_with_flags(target, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(failure)?;
        let copying = Backup::new(&source, &mut copy).map_err(failure)?;
        while go_on() {
            match copying.step(PAGES_COPIED_AT_ONCE).map_err(failure)? {
                StepResult::Done => return Ok(true),
                StepResult::Busy | StepResult::Locked => std::thread::sleep(COPY_PAUSE),
                _ => {}
            }
        }
        Ok(false)
    }

    /// Triggers and views would run with the statements of the store.
    fn holds_only_tables(&self, copy: &Path) -> Result<bool, StoreError> {
        let mut only_tables = true;
        unflushed(copy).open(Access::Write)?.query(
            "SELECT 1 FROM sqlite_schema WHERE type NOT IN ('table', 'index') LIMIT 1",
            &[],
            &mut |_| {
                only_tables = false;
                Ok(ControlFlow::Break(()))
            },
        )?;
        Ok(only_tables)
    }

    fn open(&self, copy: &Path) -> Result<Box<dyn Connection>, StoreError> {
        unflushed(copy).connect(Access::Write)
    }
}

fn unflushed(copy: &Path) -> SqliteFile {
    SqliteFile::new(copy.to_owned(), Flushing::Never)
}

/// The write-ahead log beside a database.
fn log_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    PathBuf::from(path)
}

fn failure(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};

    match error.sqlite_error_code() {
        // SQLite reports the same code for pages that the disk cannot read.
        Some(DatabaseCorrupt) => StoreError::damaged(format!("{error}, or the disk cannot read it")),
        Some(NotADatabase) => StoreError::damaged(error.to_string()),
        _ => StoreError::Statement(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::TempDir;

    use super::*;

    fn fresh(directory: &TempDir) -> SqliteFile {
        let path = directory.path().join(uuid::Uuid::new_v4().to_string());
        File::create_new(&path).unwrap();
        SqliteFile::new(path, Flushing::Never)
    }

    #[test]
    fn sqlite_keeps_what_the_store_relies_on() {
        let directory = TempDir::new().unwrap();
        crate::suite::run(|| fresh(&directory));
    }
}
