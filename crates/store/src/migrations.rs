//! The schema, in numbered steps. A step that was released never changes.

use crate::backend::Connection;
use crate::transaction::Snapshot;
use crate::{StoreError, Value};

pub(crate) const STEPS: [(i64, &str); 3] = [
    (1, include_str!("migrations/0001_registry.sql")),
    (2, include_str!("migrations/0002_counted_links.sql")),
    (3, include_str!("migrations/0003_counted_quotas.sql")),
];

/// The tables of a service above the store. They are made after those of the store, in the order of their owners.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The name of the crate that owns the tables; it must never change.
    pub owner: &'static str,
    /// By number, rising from 1.
    pub steps: &'static [(i64, &'static str)],
}

/// The state of the database before the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// The database had no table of ours.
    New,
    Known,
}

/// Migrates the schema to the newest step in one transaction, or refuses and leaves it unchanged. A database
/// without tables is damaged, unless it `may_be_new`.
pub(crate) fn migrate(
    connection: &dyn Connection,
    may_be_new: bool,
    owned: &[Migrations],
) -> Result<Schema, StoreError> {
    migrate_to(connection, may_be_new, i64::MAX, owned)
}

/// Like `migrate`, but stops at a given step.
pub(crate) fn migrate_to(
    connection: &dyn Connection,
    may_be_new: bool,
    last: i64,
    owned: &[Migrations],
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
    migrate_owned(connection, owned)?;
    connection.commit()?;
    Ok(if found == 0 { Schema::New } else { Schema::Known })
}

/// Tables of an owner that is not listed stay as they are: a build with fewer services leaves them alone.
fn migrate_owned(connection: &dyn Connection, owned: &[Migrations]) -> Result<(), StoreError> {
    if owned.is_empty() {
        return Ok(());
    }
    connection.script(
        "CREATE TABLE IF NOT EXISTS owned_migrations (
             owner {text} NOT NULL, number {int} NOT NULL, PRIMARY KEY (owner, number)
         ) {strict}",
    )?;
    for Migrations { owner, steps } in owned {
        let found = Snapshot::new(connection)
            .find(
                "SELECT max(number) FROM owned_migrations WHERE owner = ?1",
                &[Value::Text(owner)],
                |row| row.optional_integer(0),
            )?
            .flatten()
            .unwrap_or(0);
        let known = steps.last().map_or(0, |(number, _)| *number);
        if found > known {
            return Err(StoreError::Newer { found, known });
        }
        for (number, step) in steps.iter().filter(|(number, _)| *number > found) {
            connection.script(step)?;
            connection.execute(
                "INSERT INTO owned_migrations (owner, number) VALUES (?1, ?2)",
                &[Value::Text(owner), Value::Integer(*number)],
            )?;
        }
    }
    Ok(())
}
