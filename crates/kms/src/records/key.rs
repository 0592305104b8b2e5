//! Keys: their rows and their states.

use ecru_model::{Scope, Timestamp};
use ecru_platform::ports::default_key_id;
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};

use super::algorithms::Spec;
use crate::Error;
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{KeyIdType, KeySpec, KeyState, KeyUsageType};

/// The day on which ECR began: the default key exists without a row that could hold another.
const DEFAULT_KEY_CREATED_AT: Timestamp = Timestamp::from_millis(1_450_656_000_000);
const DEFAULT_KEY_DESCRIPTION: &str = "Default key that protects my ECR data when no other key is defined";

/// The kind of job that rotates keys.
pub(crate) const KEY_ROTATION: &str = "kms-key-rotation";

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) scope: Scope,
    pub(crate) id: String,
    pub(crate) spec: Spec,
    pub(crate) usage: KeyUsageType,
    pub(crate) description: String,
    /// Whether the key belongs to a service of AWS.
    pub(crate) managed: bool,
    pub(crate) enabled: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) deletion_at: Option<Timestamp>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) public: Option<Vec<u8>>,
    /// None for a managed key that nobody has used yet.
    pub(crate) material: Option<MaterialName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) days: i64,
    pub(crate) next_at: Timestamp,
}

/// The newest material of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MaterialName {
    pub(crate) version: i64,
    pub(crate) id: String,
    pub(crate) master: String,
}

pub(crate) const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;

/// The time this many days later.
pub(crate) fn days_after(time: Timestamp, days: i64) -> Timestamp {
    Timestamp::from_millis(
        time.as_millis()
            .saturating_add(days.saturating_mul(DAY_MILLISECONDS)),
    )
}

impl Key {
    /// The default key of ECR, which exists in every account and region.
    pub(crate) fn default_of(scope: &Scope) -> Self {
        Self {
            scope: scope.clone(),
            id: default_key_id(scope),
            spec: Spec::Symmetric,
            usage: KeyUsageType::EncryptDecrypt,
            description: DEFAULT_KEY_DESCRIPTION.to_owned(),
            managed: true,
            enabled: true,
            created_at: DEFAULT_KEY_CREATED_AT,
            deletion_at: None,
            rotation: None,
            public: None,
            material: None,
        }
    }

    pub(crate) fn arn(&self) -> String {
        key_arn(&self.scope, &self.id)
    }

    pub(crate) fn arn_as_id(&self) -> Result<KeyIdType, StoreError> {
        stored(KeyIdType::parse(self.arn()))
    }

    pub(crate) fn state(&self) -> KeyState {
        match self.deletion_at {
            Some(_) => KeyState::PendingDeletion,
            None if self.enabled => KeyState::Enabled,
            None => KeyState::Disabled,
        }
    }

    /// Fails unless the key may be used.
    pub(crate) fn check_usable(&self) -> Result<(), Error> {
        self.check_not_pending_deletion()?;
        if self.enabled {
            return Ok(());
        }
        Err(refused(
            ErrorCode::DisabledException,
            format!("{} is disabled.", self.arn()),
        ))
    }

    pub(crate) fn check_not_pending_deletion(&self) -> Result<(), Error> {
        match self.deletion_at {
            None => Ok(()),
            Some(_) => Err(self.in_wrong_state("is pending deletion.")),
        }
    }

    pub(crate) fn in_wrong_state(&self, state: &str) -> Error {
        refused(
            ErrorCode::KMSInvalidStateException,
            format!("{} {state}", self.arn()),
        )
    }

    /// Fails unless the key may be used for this operation.
    pub(crate) fn check_usage(&self, usage: KeyUsageType, operation: &str) -> Result<(), Error> {
        if self.usage == usage {
            return Ok(());
        }
        Err(refused(
            ErrorCode::InvalidKeyUsageException,
            format!(
                "{} key usage is {} which is not valid for {operation}.",
                self.arn(),
                self.usage.as_str()
            ),
        ))
    }

    pub(crate) fn is_symmetric(&self) -> bool {
        self.spec == Spec::Symmetric
    }

    /// The key whose columns are those of `find`.
    fn from_row(scope: &Scope, id: &str, row: &Row<'_>) -> Result<Self, StoreError> {
        let spec = Spec::of(stored(KeySpec::parse(row.text(0)?))?);
        let next_at = row.optional_integer(8)?.map(Timestamp::from_millis);
        Ok(Self {
            scope: scope.clone(),
            id: id.to_owned(),
            spec: spec.ok_or_else(|| StoreError::damaged("a key has an unknown kind"))?,
            usage: stored(KeyUsageType::parse(row.text(1)?))?,
            description: row.text(2)?.to_owned(),
            managed: row.boolean(3)?,
            enabled: row.boolean(4)?,
            created_at: Timestamp::from_millis(row.integer(5)?),
            deletion_at: row.optional_integer(6)?.map(Timestamp::from_millis),
            rotation: row
                .optional_integer(7)?
                .zip(next_at)
                .map(|(days, next_at)| Rotation { days, next_at }),
            public: row.optional_blob(9)?.map(<[u8]>::to_vec),
            material: Some(MaterialName {
                version: row.integer(10)?,
                id: row.text(11)?.to_owned(),
                master: row.text(12)?.to_owned(),
            }),
        })
    }
}

pub(crate) fn key_arn(scope: &Scope, id: &str) -> String {
    scope.arn("kms", "key/", id)
}

/// The account, the region and the id of a key, as all rows about it begin.
pub(crate) fn place<'a>(scope: &'a Scope, id: &'a str) -> [Value<'a>; 3] {
    [scope.registry_id.as_str(), scope.region.as_str(), id].map(Value::Text)
}

/// Finds a key that is not deleted at this time. The default key of ECR is always found.
pub(crate) fn find(
    at: &Snapshot<'_>,
    scope: &Scope,
    id: &str,
    now: Timestamp,
) -> Result<Option<Key>, StoreError> {
    let [account, region, id_value] = place(scope, id);
    let found = at.find(
        "SELECT spec, usage, description, managed, enabled, created_at, deletion_at, rotation_days,
                next_rotation_at, public_key, version, material_id, master
         FROM kms_keys
         WHERE account = ?1 AND region = ?2 AND id = ?3 AND deleted = 0 AND (deletion_at IS NULL OR deletion_at > ?4)",
        &[account, region, id_value, Value::Integer(now.as_millis())],
        |row| Key::from_row(scope, id, row),
    )?;
    Ok(found.or_else(|| (id == default_key_id(scope)).then(|| Key::default_of(scope))))
}

pub(crate) fn not_found(scope: &Scope, id: &str) -> Error {
    refused(
        ErrorCode::NotFoundException,
        format!("Key '{}' does not exist", key_arn(scope, id)),
    )
}

/// Inserts a key whose first material has this name. Returns false if there is such a key.
pub(crate) fn insert(tx: &Tx<'_>, key: &Key, material: &MaterialName) -> Result<bool, StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    let inserted = tx.execute(
        "INSERT INTO kms_keys
             (account, region, id, spec, usage, description, managed, enabled, created_at, public_key, version,
              material_id, master)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (account, region, id) DO NOTHING",
        &[
            account,
            region,
            id,
            Value::Text(key.spec.as_str()),
            Value::Text(key.usage.as_str()),
            Value::from(&key.description),
            Value::from(key.managed),
            Value::from(key.enabled),
            Value::Integer(key.created_at.as_millis()),
            Value::from(key.public.as_ref()),
            Value::Integer(material.version),
            Value::from(&material.id),
            Value::from(&material.master),
        ],
    )?;
    Ok(inserted > 0)
}

/// Saves what operations change: whether the key is enabled, its end, its description and its rotation.
pub(crate) fn save(tx: &Tx<'_>, key: &Key) -> Result<(), StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    tx.execute(
        "UPDATE kms_keys
         SET enabled = ?4, deletion_at = ?5, description = ?6, rotation_days = ?7, next_rotation_at = ?8
         WHERE account = ?1 AND region = ?2 AND id = ?3",
        &[
            account,
            region,
            id,
            Value::from(key.enabled),
            Value::from(key.deletion_at.map(Timestamp::as_millis)),
            Value::from(&key.description),
            Value::from(key.rotation.map(|rotation| rotation.days)),
            Value::from(key.rotation.map(|rotation| rotation.next_at.as_millis())),
        ],
    )?;
    Ok(())
}
