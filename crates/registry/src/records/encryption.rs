//! How a repository is encrypted: recorded, reported and compared. The bytes themselves are not encrypted.

use ecru_model::{Arn, EncryptionType, ErrorCode, Scope};
use ecru_platform::ports::{DEFAULT_KEY_ALIAS, FoundKey, FoundKeyState, KeySource, default_key_arn};
use ecru_store::Snapshot;

use crate::{Detail, Error};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encryption {
    pub(crate) kind: EncryptionType,
    pub(crate) kms_key: Option<String>,
}

impl Default for Encryption {
    fn default() -> Self {
        Self {
            kind: EncryptionType::Aes256,
            kms_key: None,
        }
    }
}

impl Encryption {
    /// The encryption that a request asks for. A key must be in the partition of the region.
    pub(crate) fn accept(scope: &Scope, kind: EncryptionType, key: Option<&str>) -> Result<Self, Error> {
        let encryption = Self::of_stored(scope, kind, key)?;
        let partition = scope.region.partition();
        match key.filter(|key| Arn::parse(key).is_some_and(|arn| arn.partition != partition)) {
            Some(key) => Err(no_key_of(scope, key)),
            None => Ok(encryption),
        }
    }

    /// The encryption that a stored template asks for; its key may be in any partition. KMS without a key
    /// means the default key. A key is stored as its ARN.
    pub(crate) fn of_stored(scope: &Scope, kind: EncryptionType, key: Option<&str>) -> Result<Self, Error> {
        match kind {
            EncryptionType::Aes256 if key.is_some() => Err(Error::parameter(
                "encryptionConfiguration",
                "kmsKey can only be specified when encryptionType is KMS or KMS_DSSE",
            )),
            EncryptionType::Aes256 => Ok(Self::default()),
            kind => {
                let arn = match key {
                    None | Some(DEFAULT_KEY_ALIAS) => default_key_arn(scope),
                    Some(key) => kms_arn(scope, key)?,
                };
                Ok(Self {
                    kind,
                    kms_key: Some(arn),
                })
            }
        }
    }
}

impl Encryption {
    /// The encryption of a new repository: a key that KMS knows must be usable, and is stored by its own ARN. A key that
    /// KMS does not know is stored as it was named.
    pub(crate) fn resolve(
        self,
        at: &Snapshot<'_>,
        keys: &dyn KeySource,
        scope: &Scope,
    ) -> Result<Self, Error> {
        let found = self.find_key(at, keys, scope)?;
        let kms_key = found.map(|key| key.arn).or(self.kms_key);
        Ok(Self { kms_key, ..self })
    }

    /// Fails if the images of a repository cannot be read or written because of the state of its key.
    pub(crate) fn check_usable(
        &self,
        at: &Snapshot<'_>,
        keys: &dyn KeySource,
        scope: &Scope,
    ) -> Result<(), Error> {
        self.find_key(at, keys, scope).map(drop)
    }

    /// None for a repository without a key, and for a key that KMS does not know.
    fn find_key(
        &self,
        at: &Snapshot<'_>,
        keys: &dyn KeySource,
        scope: &Scope,
    ) -> Result<Option<FoundKey>, Error> {
        let Some(name) = &self.kms_key else {
            return Ok(None);
        };
        match keys.find_key(at, scope, name)? {
            Some(key) => refuse_unusable(&key).map(|()| Some(key)),
            None => Ok(None),
        }
    }
}

/// [unknown] ECR's wording; these are the codes and sentences of KMS.
fn refuse_unusable(key: &FoundKey) -> Result<(), Error> {
    let arn = &key.arn;
    let (code, message) = match key.state {
        FoundKeyState::Enabled if key.public_key.is_none() => return Ok(()),
        FoundKeyState::Enabled => (
            "InvalidKeyUsageException",
            format!("{arn} is not a symmetric encryption key."),
        ),
        FoundKeyState::Disabled => ("DisabledException", format!("{arn} is disabled.")),
        FoundKeyState::PendingDeletion => ("KMSInvalidStateException", format!("{arn} is pending deletion.")),
        FoundKeyState::Deleted => ("NotFoundException", format!("Key '{arn}' does not exist")),
    };
    Err(
        Error::new(ErrorCode::KmsException, message).with_detail(Detail::Kms {
            error: code.to_owned(),
        }),
    )
}

/// The ARN of a key given by ARN, id or alias. A repository cannot use a key of another region.
fn kms_arn(scope: &Scope, key: &str) -> Result<String, Error> {
    let region = &scope.region;
    if !key.starts_with("arn:") {
        let kind = if key.starts_with("alias/") { "" } else { "key/" };
        return Ok(scope.arn("kms", kind, key));
    }
    let is_regional_key = |arn: Arn<'_>| {
        arn.service == "kms"
            && arn.region == region.as_str()
            && !arn.account.is_empty()
            && matches!(arn.kind_and_name().0, "key" | "alias")
    };
    if Arn::parse(key).is_some_and(is_regional_key) {
        return Ok(key.to_owned());
    }
    Err(no_key_of(scope, key))
}

fn no_key_of(scope: &Scope, key: &str) -> Error {
    let message = format!("The KMS key '{key}' is not a key of the region {}", scope.region);
    Error::new(ErrorCode::KmsException, message).with_detail(Detail::Kms {
        error: "NotFoundException".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_service::scope;

    #[test]
    fn a_key_of_another_partition_is_refused_unless_a_stored_template_names_it() {
        for (region, key, taken) in [
            ("us-east-1", "arn:aws:kms:us-east-1:111122223333:key/a", true),
            ("us-east-1", "arn:aws-cn:kms:us-east-1:111122223333:key/a", false),
            (
                "us-east-1",
                "arn:aws-xxx:kms:us-east-1:111122223333:alias/a",
                false,
            ),
            ("cn-north-1", "arn:aws-cn:kms:cn-north-1:111122223333:key/a", true),
            ("cn-north-1", "arn:aws:kms:cn-north-1:111122223333:key/a", false),
        ] {
            let scope = scope("000000000000", region);
            let kept = Encryption::of_stored(&scope, EncryptionType::Kms, Some(key)).unwrap();
            assert_eq!(kept.kms_key.as_deref(), Some(key));
            let accepted = Encryption::accept(&scope, EncryptionType::Kms, Some(key));
            let refused = accepted.err().map(|error| error.code);
            assert_eq!(refused, (!taken).then_some(ErrorCode::KmsException), "{key}");
        }
    }

    #[test]
    fn the_alias_of_the_default_key_means_that_key() {
        let scope = scope("000000000000", "us-east-1");
        for kind in [EncryptionType::Kms, EncryptionType::KmsDsse] {
            let without = Encryption::accept(&scope, kind, None).unwrap();
            assert_eq!(without.kms_key, Some(default_key_arn(&scope)));
            assert_eq!(
                Encryption::accept(&scope, kind, Some("alias/aws/ecr")).unwrap(),
                without
            );
        }
    }
}
