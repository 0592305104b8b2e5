//! `keys`: the secrets that sign values for clients. The newest key signs, and all keys verify.

use std::io;

use crate::backend::Connection;
use crate::{Snapshot, StoreError, Tried};

const SECRET_SIZE_BYTES: usize = 32;

/// Oldest first; there is always one.
pub fn list(at: &Snapshot<'_>) -> Result<Vec<Vec<u8>>, StoreError> {
    at.query("SELECT secret FROM keys ORDER BY id", &[], |row| {
        Ok(row.blob(0)?.to_vec())
    })
}

pub(crate) fn fill_randomly(bytes: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(bytes)
        .map_err(|error| io::Error::other(error.to_string()))
        .tried("get randomness from the system")
}

/// Creates the first key of a new database. Returns all keys, oldest first.
pub(crate) fn ensure_key(
    connection: &dyn Connection,
    now_milliseconds: i64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let found = list(&Snapshot::new(connection))?;
    if !found.is_empty() {
        return Ok(found);
    }
    let mut secret = [0; SECRET_SIZE_BYTES];
    fill_randomly(&mut secret)?;

    connection.begin()?;
    connection.execute(
        "INSERT INTO keys (created_at, secret) VALUES (?1, ?2)",
        &[now_milliseconds.into(), (&secret).into()],
    )?;
    connection.commit()?;
    Ok(vec![secret.to_vec()])
}
