//! The keys of KMS, for other services.

use ecru_model::Scope;
use ecru_platform::ports::{FoundKey, FoundKeyState, KeySource, default_key_id};
use ecru_store::{Snapshot, StoreError};

use crate::records::key::{key_arn, place};
use crate::records::key_name::KeyName;

/// The rows of keys.
#[derive(Clone, Copy, Debug)]
pub struct Keys;

impl KeySource for Keys {
    fn find_key(&self, at: &Snapshot<'_>, scope: &Scope, name: &str) -> Result<Option<FoundKey>, StoreError> {
        let Some(name) = KeyName::parse(scope, name) else {
            return Ok(None);
        };
        let (scope, Some(id)) = (name.scope(), name.find_id(at)?) else {
            return Ok(None);
        };
        // The default key cannot be switched off, so its row says nothing new.
        if id == default_key_id(scope) {
            return Ok(Some(FoundKey {
                arn: key_arn(scope, &id),
                state: FoundKeyState::Enabled,
                public_key: None,
            }));
        }
        at.find(
            "SELECT enabled, deletion_at, deleted, public_key FROM kms_keys
             WHERE account = ?1 AND region = ?2 AND id = ?3",
            &place(scope, &id),
            |row| {
                let state = if row.boolean(2)? {
                    FoundKeyState::Deleted
                } else if row.optional_integer(1)?.is_some() {
                    FoundKeyState::PendingDeletion
                } else if row.boolean(0)? {
                    FoundKeyState::Enabled
                } else {
                    FoundKeyState::Disabled
                };
                Ok(FoundKey {
                    arn: key_arn(scope, &id),
                    state,
                    public_key: row.optional_blob(3)?.map(<[u8]>::to_vec),
                })
            },
        )
    }
}
