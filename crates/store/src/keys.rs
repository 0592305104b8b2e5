//! `keys`: the secrets that sign what the server hands out. The newest signs, all verify.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::backend::Connection;
use crate::{Snapshot, StoreError};

const SECRET_SIZE_BYTES: usize = 32;

/// Oldest first; there is always one.
pub(crate) fn list(at: &Snapshot<'_>) -> Result<Vec<Vec<u8>>, StoreError> {
    at.query("SELECT secret FROM keys ORDER BY id", &[], |row| {
        Ok(row.blob(0)?.to_vec())
    })
}

/// Makes the first key of a new database.
pub(crate) fn ensure_key(connection: &dyn Connection, now: SystemTime) -> Result<(), StoreError> {
    if !list(&Snapshot::new(connection))?.is_empty() {
        return Ok(());
    }
    let mut secret = [0; SECRET_SIZE_BYTES];
    getrandom::fill(&mut secret).map_err(|error| StoreError::Statement(Box::new(error)))?;
    let age = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let created_at = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);

    connection.begin()?;
    connection.execute(
        "INSERT INTO keys (created_at, secret) VALUES (?1, ?2)",
        &[created_at.into(), (&secret).into()],
    )?;
    connection.commit()
}
