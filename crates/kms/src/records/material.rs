//! The material of keys, wrapped by the master key wherever it is stored.

use ecru_model::{Scope, Timestamp};
use ecru_store::{Snapshot, StoreError, Tx, Value};
use zeroize::Zeroizing;

use super::key::{Key, MaterialName, place};
use crate::context::elsewhere;
use crate::hex::hex;
use crate::{Context, Error, Service};

/// The secret of a key: 32 bytes of a symmetric key, or the PKCS #8 of an asymmetric one.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// Material that is ready to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Wrapped {
    pub(crate) name: MaterialName,
    bytes: Vec<u8>,
}

/// Material as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredMaterial {
    pub(crate) name: MaterialName,
    owner: Vec<u8>,
    wrapped: Vec<u8>,
    arn: String,
}

const MATERIAL_ID_BYTES: usize = 32;

impl Service {
    /// Encrypts the secret of a key for storage. Creates the master key if it does not exist.
    pub(crate) async fn wrap(
        self: &std::sync::Arc<Self>,
        (scope, key_id): (&Scope, &str),
        version: i64,
        secret: Secret,
    ) -> Result<Wrapped, Error> {
        let random: [u8; MATERIAL_ID_BYTES] = self.random.bytes()?;
        let id = hex(&random);
        let owner = owner(scope, key_id, &id);
        let service = std::sync::Arc::clone(self);
        elsewhere(move || {
            let master = service.master_keys.find_or_make(&service.random);
            let master =
                master.map_err(|error| Error::internal("the master key cannot be made").caused_by(error))?;
            let bytes = master.wrap(&service.random, &owner, &secret)?;
            let master = master.id.clone();
            Ok(Wrapped {
                name: MaterialName { version, id, master },
                bytes,
            })
        })
        .await
    }
}

impl Context {
    /// The secret of a key. It fails if the master key that wrapped it is lost.
    pub(crate) fn unwrap(&self, key: &Key, stored: &StoredMaterial) -> Result<Secret, Error> {
        let master = self.master_keys.find();
        let master =
            master.map_err(|error| Error::internal("the master key cannot be read").caused_by(error))?;
        let found = master.filter(|master| master.id == stored.name.master);
        let Some(master) = found else {
            tracing::error!(
                key = stored.arn,
                master_key = stored.name.master,
                "a key cannot be used: its material was encrypted with a master key that the server does not have"
            );
            return Err(key.in_wrong_state("is unavailable: its master key is missing."));
        };
        master
            .unwrap(&stored.owner, &stored.wrapped)
            .ok_or_else(|| Error::internal(format!("the material of {} is damaged", stored.arn)))
    }

    /// Whether the material of a key can be used.
    pub(crate) fn is_available(&self, key: &Key) -> Result<bool, Error> {
        let Some(material) = &key.material else {
            return Ok(true);
        };
        let master = self.master_keys.find();
        let master =
            master.map_err(|error| Error::internal("the master key cannot be read").caused_by(error))?;
        Ok(master.is_some_and(|master| master.id == material.master))
    }
}

/// What wrapped material is bound to, each part with its length.
fn owner(scope: &Scope, key_id: &str, material_id: &str) -> Vec<u8> {
    let mut owner = b"ecru kms material\0".to_vec();
    for part in [
        scope.registry_id.as_str(),
        scope.region.as_str(),
        key_id,
        material_id,
    ] {
        owner.extend_from_slice(&(part.len() as u64).to_be_bytes());
        owner.extend_from_slice(part.as_bytes());
    }
    owner
}

pub(crate) fn insert(tx: &Tx<'_>, key: &Key, wrapped: &Wrapped, now: Timestamp) -> Result<(), StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    let MaterialName {
        version,
        id: material_id,
        master,
    } = &wrapped.name;
    tx.execute(
        "INSERT INTO kms_materials (account, region, key_id, version, material_id, master, wrapped, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &[
            account,
            region,
            id,
            Value::Integer(*version),
            Value::from(material_id),
            Value::from(master),
            Value::from(&wrapped.bytes),
            Value::Integer(now.as_millis()),
        ],
    )?;
    Ok(())
}

pub(crate) fn find(at: &Snapshot<'_>, key: &Key, version: i64) -> Result<Option<StoredMaterial>, StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    at.find(
        "SELECT material_id, master, wrapped FROM kms_materials
         WHERE account = ?1 AND region = ?2 AND key_id = ?3 AND version = ?4",
        &[account, region, id, Value::Integer(version)],
        |row| {
            let material_id = row.text(0)?;
            Ok(StoredMaterial {
                owner: owner(&key.scope, &key.id, material_id),
                wrapped: row.blob(2)?.to_vec(),
                arn: key.arn(),
                name: MaterialName {
                    version,
                    id: material_id.to_owned(),
                    master: row.text(1)?.to_owned(),
                },
            })
        },
    )
}

/// The material that the key uses now. None for a managed key without material.
pub(crate) fn newest(at: &Snapshot<'_>, key: &Key) -> Result<Option<StoredMaterial>, StoreError> {
    let Some(name) = &key.material else {
        return Ok(None);
    };
    let found = find(at, key, name.version)?;
    found
        .map(Some)
        .ok_or_else(|| StoreError::damaged("a key has no material"))
}
