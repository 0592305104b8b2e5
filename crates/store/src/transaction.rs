//! The database as a closure sees it: a snapshot to read, and a transaction to change.

use std::cell::Cell;
use std::ops::{ControlFlow, Deref};

use crate::announcements::{Topic, Topics};
use crate::backend::Connection;
use crate::{Row, StoreError, Value};

/// The first words of texts. A check of the sources finds the texts by these words.
const READ: &str = "SELECT";
const CHANGES: [&str; 6] = ["INSERT", "UPDATE", "DELETE", "WITH", "ALTER", "CREATE"];

/// A state of the database that does not change during reads.
pub struct Snapshot<'c> {
    connection: &'c dyn Connection,
    poisoned: Cell<bool>,
}

impl<'c> Snapshot<'c> {
    pub(crate) fn new(connection: &'c dyn Connection) -> Snapshot<'c> {
        Snapshot {
            connection,
            poisoned: Cell::new(false),
        }
    }

    /// Maps every row to a value.
    pub fn query<T>(
        &self,
        sql: &'static str,
        parameters: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(sql, parameters, &mut |row| {
            found.push(each(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Maps the first row to a value.
    pub fn find<T>(
        &self,
        sql: &'static str,
        parameters: &[Value<'_>],
        each: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut each = Some(each);
        let mut found = None;
        self.each(sql, parameters, &mut |row| {
            found = each.take().map(|each| each(row)).transpose()?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Visits rows one by one, until the visitor breaks or fails.
    pub fn each(
        &self,
        sql: &'static str,
        parameters: &[Value<'_>],
        visit: &mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        debug_assert!(sql.starts_with(READ), "it only reads: {sql}");
        self.guarded(|connection| connection.query(sql, parameters, visit))
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.get()
    }

    /// After a failed statement the transaction may be gone or incomplete.
    fn guarded<T>(
        &self,
        statement: impl FnOnce(&dyn Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.poisoned.get() {
            return Err(StoreError::Poisoned);
        }
        statement(self.connection).inspect_err(|_| self.poisoned.set(true))
    }
}

/// A transaction: its changes become visible and durable with its commit, or never.
pub struct Tx<'c> {
    snapshot: Snapshot<'c>,
    changed: Cell<bool>,
    announced: Cell<Topics>,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: &'c dyn Connection) -> Tx<'c> {
        Tx {
            snapshot: Snapshot::new(connection),
            changed: Cell::new(false),
            announced: Cell::default(),
        }
    }

    /// Runs a statement that returns no rows. Returns the number of rows changed.
    pub fn execute(&self, sql: &'static str, parameters: &[Value<'_>]) -> Result<u64, StoreError> {
        self.changing(sql, |connection| connection.execute(sql, parameters))
    }

    /// Runs a statement that changes rows and returns columns of them. Maps the first of these rows to a value.
    pub fn returning<T>(
        &self,
        sql: &'static str,
        parameters: &[Value<'_>],
        each: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut each = Some(each);
        let mut found = None;
        self.changing(sql, |connection| {
            connection.query(sql, parameters, &mut |row| {
                found = each.take().map(|each| each(row)).transpose()?;
                Ok(ControlFlow::Break(()))
            })
        })?;
        Ok(found)
    }

    /// Wakes the watchers of the topic once the transaction is committed.
    pub fn announce(&self, topic: Topic) {
        self.announced.set(self.announced.get().with(topic));
    }

    fn changing<T>(
        &self,
        sql: &str,
        statement: impl FnOnce(&dyn Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        debug_assert!(
            CHANGES.iter().any(|words| sql.starts_with(words)),
            "it changes rows: {sql}"
        );
        self.changed.set(true);
        self.guarded(statement)
    }

    /// Whether there may be a change to roll back.
    pub(crate) fn has_changed(&self) -> bool {
        self.changed.get() || self.is_poisoned()
    }

    pub(crate) fn announced(&self) -> Topics {
        self.announced.get()
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Snapshot<'c>;

    fn deref(&self) -> &Snapshot<'c> {
        &self.snapshot
    }
}
