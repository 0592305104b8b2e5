//! Access keys that a client of the control API has bound to a principal.

use ecru_model::Arn;
use ecru_model::identity::account;
use ecru_store::{Snapshot, StoreError, Tx, Value};

use crate::Platform;
use crate::paging::{self, Filling, Page};

const PRINCIPALS_MAX: i64 = 10_000;
const ACCESS_KEY_ID_CHARACTERS_MAX: usize = 128;

/// An access key and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub access_key_id: String,
    pub arn: String,
}

/// Why an access key cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("the access key must have 1 to 128 letters, digits, '_', '-' or '.'")]
    AccessKeyId,
    #[error("the ARN must be that of a user, a role, an assumed role or an account's root")]
    Arn,
    #[error("There are {PRINCIPALS_MAX} principals already.")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Binds an access key to a principal, and replaces an earlier binding.
pub async fn bind_principal(
    platform: &Platform,
    access_key_id: String,
    arn: String,
) -> Result<(), BindError> {
    if !is_access_key_id(&access_key_id) {
        return Err(BindError::AccessKeyId);
    }
    let known = Arn::parse(&arn).is_some_and(|arn| arn.has_known_partition());
    let account = account(&arn).filter(|_| known).ok_or(BindError::Arn)?;
    platform
        .store
        .write(move |tx| {
            tx.execute(
                "INSERT INTO principals (access_key_id, account, arn) VALUES (?1, ?2, ?3)
                 ON CONFLICT (access_key_id) DO UPDATE SET account = excluded.account, arn = excluded.arn",
                &[access_key_id.as_str(), account.as_str(), &arn].map(Value::Text),
            )?;
            check_count(tx)
        })
        .await?;
    Ok(platform.bindings.reload(&platform.store).await?)
}

/// Returns whether the access key was bound.
pub async fn release_principal(platform: &Platform, access_key_id: String) -> Result<bool, StoreError> {
    let released = platform
        .store
        .write(move |tx| {
            tx.execute(
                "DELETE FROM principals WHERE access_key_id = ?1",
                &[Value::Text(&access_key_id)],
            )
        })
        .await?;
    platform.bindings.reload(&platform.store).await?;
    Ok(released > 0)
}

/// A page in the order of access keys, from the one after `after`.
pub async fn list_principals(
    platform: &Platform,
    after: String,
    limit: u32,
) -> Result<Page<Principal, String>, StoreError> {
    paging::read_elsewhere(&platform.store, limit, move |at, room| {
        let mut filling = Filling::new(room);
        at.each(
            "SELECT access_key_id, arn FROM principals WHERE access_key_id > ?1 ORDER BY access_key_id LIMIT ?2",
            &[Value::Text(&after), Value::Integer(i64::from(limit) + 1)],
            &mut |row| {
                let principal = Principal {
                    access_key_id: row.text(0)?.to_owned(),
                    arn: row.text(1)?.to_owned(),
                };
                Ok(filling.push(principal.access_key_id.len() + principal.arn.len(), principal))
            },
        )?;
        Ok(filling.page_by(|last| last.access_key_id.clone()))
    })
    .await
}

pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM principals WHERE account = ?1 OR ?1 IS NULL",
        &[Value::from(account)],
    )?;
    Ok(())
}

fn check_count(at: &Snapshot<'_>) -> Result<(), BindError> {
    let count = at.find("SELECT COUNT(*) FROM principals", &[], |row| row.integer(0))?;
    if count.unwrap_or(0) <= PRINCIPALS_MAX {
        return Ok(());
    }
    Err(BindError::TooMany)
}

fn is_access_key_id(text: &str) -> bool {
    let regular = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=ACCESS_KEY_ID_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(regular)
}
