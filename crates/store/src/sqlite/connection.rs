//! One connection to SQLite.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::wal::CheckpointMode;
use rusqlite::{CachedStatement, ErrorCode, ToSql};

use crate::backend::{Access, Connection, Moment, Upkeep, Visit};
use crate::sqlite::{failure, log_path};
use crate::value::Columns;
use crate::{Row, StoreError, Value};

/// A checkpoint begins at this many frames of the log when the store is idle, and at the larger number always.
const LOG_FRAMES_IDLE: i64 = 2_000;
const LOG_FRAMES_BUSY: i64 = 4_000;

pub(crate) struct Sqlite {
    connection: rusqlite::Connection,
    begin: &'static str,
    /// Frames in the log after the last commit, and the number of frames that a checkpoint has copied.
    log_frames: Arc<AtomicI64>,
    copied_frames: AtomicI64,
}

impl Sqlite {
    pub(crate) fn new(mut connection: rusqlite::Connection, access: Access) -> Result<Sqlite, StoreError> {
        let log_frames = Arc::new(AtomicI64::new(0));
        let begin = match access {
            Access::Read => "BEGIN",
            Access::Write => "BEGIN IMMEDIATE",
        };

        if access == Access::Write {
            let frames = log_frames.clone();
            connection
                .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
                    frames.store(i64::from(count), Ordering::Relaxed);
                    Ok(())
                }))
                .map_err(failure)?;
        }
        Ok(Sqlite {
            connection,
            begin,
            log_frames,
            copied_frames: AtomicI64::new(0),
        })
    }

    /// Checks for damage that is cheap to find: a truncated file, and tables whose first page cannot be read.
    pub(crate) fn examine(&self, path: &Path) -> Result<(), StoreError> {
        let mut size_bytes = 0;
        self.query(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            &[],
            &mut |row| {
                size_bytes = row.integer(0)?;
                Ok(ControlFlow::Continue(()))
            },
        )?;
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        if length(&log_path(path)) == 0 && length(path) < size_bytes.unsigned_abs() {
            return Err(StoreError::damaged("the database file is cut short"));
        }

        let mut tables = Vec::new();
        self.query(
            "SELECT name FROM sqlite_schema WHERE type = 'table'",
            &[],
            &mut |row| {
                tables.push(row.text(0)?.replace('"', "\"\""));
                Ok(ControlFlow::Continue(()))
            },
        )?;
        for table in tables {
            self.connection
                .execute_batch(&format!("SELECT 1 FROM \"{table}\" LIMIT 1"))
                .map_err(failure)?;
        }
        Ok(())
    }

    /// Copies the whole log into the database, and empties the log.
    pub(crate) fn truncate_log(&self) -> Result<(), StoreError> {
        self.connection
            .wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE)
            .map_err(failure)?;
        self.log_frames.store(0, Ordering::Relaxed);
        self.copied_frames.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Copies the frames that no reader still needs. If another process is checkpointing, its result will do.
    fn copy_log(&self) -> Result<(), StoreError> {
        match self
            .connection
            .wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)
        {
            Ok((frames, copied)) => {
                self.log_frames.store(i64::from(frames), Ordering::Relaxed);
                self.copied_frames.store(i64::from(copied), Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            Err(error) => Err(failure(error)),
        }
    }

    /// The log restarts once all of it is copied. The number of frames then falls below the number copied.
    fn frames_to_copy(&self) -> i64 {
        let frames = self.log_frames.load(Ordering::Relaxed);
        let copied = self.copied_frames.load(Ordering::Relaxed);
        if frames < copied {
            self.copied_frames.store(0, Ordering::Relaxed);
            return frames;
        }
        frames - copied
    }

    fn prepare(&self, sql: &str, parameters: &[Value<'_>]) -> Result<CachedStatement<'_>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failure)?;
        // SQLite treats a missing parameter as NULL.
        assert_eq!(
            statement.parameter_count(),
            parameters.len(),
            "every parameter is given: {sql}"
        );

        for (index, parameter) in parameters.iter().enumerate() {
            statement
                .raw_bind_parameter(index + 1, parameter)
                .map_err(failure)?;
        }
        Ok(statement)
    }
}

impl Connection for Sqlite {
    fn begin(&self) -> Result<(), StoreError> {
        self.execute(self.begin, &[]).map(drop)
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.execute("COMMIT", &[]).map(drop)
    }

    fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<u64, StoreError> {
        let changed = self.prepare(sql, parameters)?.raw_execute().map_err(failure)?;
        Ok(changed as u64)
    }

    fn query(&self, sql: &str, parameters: &[Value<'_>], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut statement = self.prepare(sql, parameters)?;
        let mut rows = statement.raw_query();
        while let Some(columns) = rows.next().map_err(failure)? {
            let row = Row::new(columns);
            if visit(&row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn script(&self, sql: &str) -> Result<(), StoreError> {
        let words = [
            ("{id}", "INTEGER PRIMARY KEY"),
            ("{int}", "INTEGER"),
            ("{text}", "TEXT"),
            ("{blob}", "BLOB"),
            ("{strict}", "STRICT"),
            ("{without_rowid}", "STRICT, WITHOUT ROWID"),
            ("{no_bytes}", "x''"),
            // Each id of a column `blob_id` as eight bytes, one after another.
            (
                "{packed_blob_ids}",
                "unhex(group_concat(printf('%016x', blob_id), ''))",
            ),
        ];
        let sql = words
            .iter()
            .fold(sql.to_owned(), |sql, (word, ours)| sql.replace(word, ours));
        self.connection.execute_batch(&sql).map_err(failure)
    }

    fn maintain(&self, moment: Moment) -> Result<Upkeep, StoreError> {
        let frames = self.frames_to_copy();
        match moment {
            Moment::Closing => self.truncate_log().map(|()| Upkeep::Done),
            Moment::Idle if frames >= LOG_FRAMES_IDLE => self.copy_log().map(|()| Upkeep::Done),
            Moment::Busy if frames >= LOG_FRAMES_BUSY => self.copy_log().map(|()| Upkeep::Done),
            Moment::Busy if frames >= LOG_FRAMES_IDLE => Ok(Upkeep::Wanted),
            Moment::Busy | Moment::Idle => Ok(Upkeep::Done),
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(integer),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}

impl Columns for rusqlite::Row<'_> {
    fn column(&self, index: usize) -> Option<Value<'_>> {
        match self.get_ref(index).ok()? {
            ValueRef::Null => Some(Value::Null),
            ValueRef::Integer(integer) => Some(Value::Integer(integer)),
            ValueRef::Text(text) => std::str::from_utf8(text).ok().map(Value::Text),
            ValueRef::Blob(blob) => Some(Value::Blob(blob)),
            ValueRef::Real(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::Flushing;
    use crate::sqlite::SqliteFile;

    fn open(file: &NamedTempFile) -> Sqlite {
        SqliteFile::new(file.path().to_owned(), Flushing::Never)
            .open(Access::Write)
            .unwrap()
    }

    #[test]
    fn a_kept_statement_is_not_prepared_again_for_another_parameter() {
        let file = NamedTempFile::new().unwrap();
        let connection = open(&file);
        connection
            .script("CREATE TABLE t (id {id}, name {text}, age {int}) {strict}; CREATE INDEX i ON t (age)")
            .unwrap();
        for age in 0..500_i64 {
            let name = format!("n{age}");
            connection
                .execute(
                    "INSERT INTO t (name, age) VALUES (?1, ?2)",
                    &[(&name).into(), (age % 7).into()],
                )
                .unwrap();
        }
        // With its statistics the planner would look at the values of parameters.
        connection.script("ANALYZE").unwrap();

        let sql = "SELECT id FROM t WHERE age < ?1 AND name LIKE 'n1%'";
        for age in 0..50_i64 {
            connection
                .query(sql, &[age.into()], &mut |_| Ok(ControlFlow::Continue(())))
                .unwrap();
        }
        let statement = connection.connection.prepare_cached(sql).unwrap();
        assert_eq!(statement.get_status(StatementStatus::Run), 50);
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn the_log_is_brought_in_when_it_is_quiet_or_long() {
        let file = NamedTempFile::new().unwrap();
        let connection = open(&file);
        connection
            .script("CREATE TABLE t (bytes {blob}) {strict}")
            .unwrap();
        let grow = |frames: usize| {
            let sql = "INSERT INTO t (bytes) VALUES (?1)";
            connection
                .execute(sql, &[vec![7; frames * 4096].as_slice().into()])
                .unwrap();
        };
        let outstanding = || connection.frames_to_copy();

        grow(1_000);
        assert_eq!(connection.maintain(Moment::Busy).unwrap(), Upkeep::Done);
        assert_eq!(connection.maintain(Moment::Idle).unwrap(), Upkeep::Done);
        assert!(outstanding() > 1_000, "few frames wait");

        grow(1_500);
        assert_eq!(connection.maintain(Moment::Busy).unwrap(), Upkeep::Wanted);
        assert!(outstanding() > 2_000, "a busy moment is let pass");
        assert_eq!(connection.maintain(Moment::Idle).unwrap(), Upkeep::Done);
        assert_eq!(outstanding(), 0);

        grow(10);
        assert!(outstanding() < 100, "the log has restarted");
        grow(5_000);
        assert_eq!(connection.maintain(Moment::Busy).unwrap(), Upkeep::Done);
        assert_eq!(outstanding(), 0);

        grow(10);
        connection.maintain(Moment::Closing).unwrap();
        assert_eq!(std::fs::metadata(log_path(file.path())).unwrap().len(), 0);
    }
}
