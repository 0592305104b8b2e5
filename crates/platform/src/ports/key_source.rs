//! The keys of KMS, for services that name them.

use std::fmt;

use ecru_model::{Digest, Scope};
use ecru_store::{Snapshot, StoreError};

/// The alias of the key that ECR uses if a repository of type KMS names none.
pub const DEFAULT_KEY_ALIAS: &str = "alias/aws/ecr";

/// The id of ECR's default key in an account and region. It is derived from both, so that the key exists without a row.
pub fn default_key_id(scope: &Scope) -> String {
    let name = format!("the default KMS key of ECR in {scope}");
    let digest = Digest::of(name.as_bytes());
    let bytes = digest.as_bytes().first_chunk().copied().unwrap_or_default();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

pub fn default_key_arn(scope: &Scope) -> String {
    scope.arn("kms", "key/", &default_key_id(scope))
}

/// A key as another service sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The ARN of the key itself, also if it was found by an alias.
    pub arn: String,
    pub state: FoundKeyState,
    /// The SubjectPublicKeyInfo of an asymmetric key, in DER.
    pub public_key: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundKeyState {
    Enabled,
    Disabled,
    PendingDeletion,
    /// The waiting time ended, and the material was erased.
    Deleted,
}

/// Where keys are looked up, in the transaction that decides by them.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// Finds a key by its id, its ARN, the name of an alias or the ARN of an alias. An id and a name mean the account and
    /// region of `scope`. None for a key that KMS has never known.
    fn find_key(&self, at: &Snapshot<'_>, scope: &Scope, name: &str) -> Result<Option<FoundKey>, StoreError>;
}

/// A source without keys, for a service that runs without KMS.
#[derive(Debug, Clone, Copy)]
pub struct NoKeys;

impl KeySource for NoKeys {
    fn find_key(
        &self,
        _at: &Snapshot<'_>,
        _scope: &Scope,
        _name: &str,
    ) -> Result<Option<FoundKey>, StoreError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use ecru_model::{Region, RegistryId};

    use super::*;

    #[test]
    fn the_default_key_is_the_same_for_an_account_and_a_region() {
        // Stored with repositories, so it must never change.
        for (account, region, arn) in [
            (
                "000000000000",
                "us-east-1",
                "arn:aws:kms:us-east-1:000000000000:key/ce505e1c-fddd-48da-88b8-c20bafa567da",
            ),
            (
                "000000000000",
                "eu-west-1",
                "arn:aws:kms:eu-west-1:000000000000:key/5619aecd-5b8b-4993-8b34-23374abceb37",
            ),
            (
                "111122223333",
                "us-east-1",
                "arn:aws:kms:us-east-1:111122223333:key/1161c839-5104-4dd3-8e87-4f03a8a8ad23",
            ),
            (
                "111122223333",
                "us-iso-east-1",
                "arn:aws-iso:kms:us-iso-east-1:111122223333:key/0edfcf4a-3f57-411a-b7a6-c6ba9d055160",
            ),
        ] {
            let scope = Scope {
                registry_id: RegistryId::parse(account).unwrap(),
                region: Region::parse(region).unwrap(),
            };
            assert_eq!(default_key_arn(&scope), arn);
            let id = uuid::Uuid::parse_str(&default_key_id(&scope)).unwrap();
            assert_eq!(id.get_version_num(), 4, "{arn}");
        }
    }
}
