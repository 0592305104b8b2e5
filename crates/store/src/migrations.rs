//! The schema, in numbered steps. A step that was released never changes.

use crate::StoreError;
use crate::backend::Connection;
use crate::transaction::Snapshot;

pub(crate) const STEPS: [(i64, &str); 3] = [
    (1, include_str!("migrations/0001_registry.sql")),
    (2, include_str!("migrations/0002_counted_links.sql")),
    (3, include_str!("migrations/0003_counted_quotas.sql")),
];

/// The state of the database before the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// The database had no table of ours.
    New,
    Known,
}

/// Migrates the schema to the newest step in one transaction, or refuses and leaves it unchanged. A database
/// without tables is damaged, unless it `may_be_new`.
pub(crate) fn migrate(connection: &dyn Connection, may_be_new: bool) -> Result<Schema, StoreError> {
    migrate_to(connection, may_be_new, i64::MAX)
}

/// Like `migrate`, but stops at a given step.
pub(crate) fn migrate_to(
    connection: &dyn Connection,
    may_be_new: bool,
    last: i64,
) -> Result<Schema, StoreError> {
    connection.begin()?;
    connection.script("CREATE TABLE IF NOT EXISTS migrations (number {int} PRIMARY KEY) {strict}")?;

    let found = Snapshot::new(connection)
        .find("SELECT max(number) FROM migrations", &[], |row| {
            row.optional_integer(0)
        })?
        .flatten()
        .unwrap_or(0);
    let known = STEPS.last().map_or(0, |(number, _)| *number);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }

    if found == 0 && !may_be_new {
        return Err(StoreError::damaged("it is empty, though it has been in use"));
    }

    for (number, step) in STEPS
        .iter()
        .filter(|(number, _)| *number > found && *number <= last)
    {
        connection.script(step)?;
        connection.execute("INSERT INTO migrations (number) VALUES (?1)", &[(*number).into()])?;
    }
    connection.commit()?;
    Ok(if found == 0 { Schema::New } else { Schema::Known })
}
