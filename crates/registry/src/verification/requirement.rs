//! The repositories that require signatures, and their keys: set, listed and removed.

use ecru_platform::paging::{Extent, Filling};
use ecru_platform::{Page, paging};
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};

use super::{KeyReference, KmsKeyArn, PublicKey};
use crate::records::repositories;
use crate::scoped_name::ScopedName;
use crate::{Error, Service};

/// A repository that requires signatures.
#[derive(Debug, Clone)]
pub struct Requirement {
    pub place: ScopedName,
    pub key: KeyReference,
    repository_id: i64,
}

/// From now on, tags of the repository can only be set on images that this key has signed.
pub async fn put_requirement(service: &Service, place: ScopedName, key: KeyReference) -> Result<(), Error> {
    service
        .store
        .write(move |tx| {
            let repository = repositories::load(tx, &place.scope, &place.repository_name)?;
            Ok(save(tx, repository.id, &key)?)
        })
        .await
}

pub async fn find_requirement(service: &Service, place: &ScopedName) -> Result<Option<KeyReference>, Error> {
    service
        .store
        .read(|at| {
            let repository = repositories::load(at, &place.scope, &place.repository_name)?;
            Ok(find(at, repository.id)?)
        })
        .await
}

/// Returns whether the requirement existed.
pub async fn delete_requirement(service: &Service, place: ScopedName) -> Result<bool, Error> {
    service
        .store
        .write(move |tx| {
            let repository = repositories::load(tx, &place.scope, &place.repository_name)?;
            let deleted = tx.execute(
                "DELETE FROM verification_keys WHERE repository_id = ?1",
                &[Value::Integer(repository.id)],
            )?;
            Ok::<_, Error>(deleted > 0)
        })
        .await
}

/// Lists the repositories that require signatures.
pub async fn list_requirements(service: &Service, extent: Extent) -> Result<Page<Requirement, i64>, Error> {
    paging::read_elsewhere(&service.store, extent.limit, move |at, room| {
        let mut filling = Filling::new(room);
        at.each(
            "SELECT v.public_key, v.kms_key_arn, r.id, r.account, r.region, r.name
             FROM verification_keys v JOIN repositories r ON r.id = v.repository_id
             WHERE v.repository_id > ?1 AND r.deleted = 0 ORDER BY v.repository_id LIMIT ?2",
            &extent.values(),
            &mut |row| {
                let requirement = Requirement {
                    key: key(row)?,
                    repository_id: row.integer(2)?,
                    place: ScopedName::from_row(row, 3)?,
                };
                let key = row.optional_blob(0)?.map_or(0, <[u8]>::len);
                let arn = row.optional_text(1)?.map_or(0, str::len);
                let bytes = requirement.place.text_bytes() + 2 * key + arn;
                filling.put(requirement.repository_id, bytes, || Ok(Some(requirement)))
            },
        )?;
        Ok(filling.page())
    })
    .await
}

pub(super) fn find(at: &Snapshot<'_>, repository_id: i64) -> Result<Option<KeyReference>, StoreError> {
    at.find(
        "SELECT public_key, kms_key_arn FROM verification_keys WHERE repository_id = ?1",
        &[Value::Integer(repository_id)],
        key,
    )
}

fn save(tx: &Tx<'_>, repository_id: i64, key: &KeyReference) -> Result<(), StoreError> {
    let (public_key, arn) = match key {
        KeyReference::PublicKey(key) => (Value::Blob(key.der()), Value::Null),
        KeyReference::Kms(arn) => (Value::Null, Value::Text(arn.as_str())),
    };
    tx.execute(
        "INSERT INTO verification_keys (repository_id, public_key, kms_key_arn) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository_id) DO UPDATE SET public_key = excluded.public_key,
             kms_key_arn = excluded.kms_key_arn",
        &[Value::Integer(repository_id), public_key, arn],
    )?;
    Ok(())
}

fn key(row: &Row<'_>) -> Result<KeyReference, StoreError> {
    Ok(match (row.optional_blob(0)?, row.optional_text(1)?) {
        (Some(der), _) => KeyReference::PublicKey(stored(PublicKey::from_der(der))?),
        (None, Some(arn)) => KeyReference::Kms(stored(KmsKeyArn::parse(arn))?),
        (None, None) => {
            return Err(StoreError::damaged(
                "a repository that requires signatures has no key",
            ));
        }
    })
}
