//! How a repository is encrypted: recorded, reported and compared. The bytes themselves are not encrypted.

use ecru_model::{Arn, Digest, EncryptionType, ErrorCode, Scope};

use crate::{Detail, Error};

/// The alias of the default key.
const DEFAULT_KEY_ALIAS: &str = "alias/aws/ecr";

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

/// The default key of ECR in an account and region. Its id is derived from both, so it needs no row, and a
/// later KMS can derive the same id.
pub(crate) fn default_key_arn(scope: &Scope) -> String {
    let name = format!("the default KMS key of ECR in {scope}");
    let digest = Digest::of(name.as_bytes());
    let bytes = digest.as_bytes().first_chunk().copied().unwrap_or_default();
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    scope.arn("kms", "key/", &id.to_string())
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
    fn the_default_key_is_the_same_for_an_account_and_a_region() {
        let arns = [
            scope("000000000000", "us-east-1"),
            scope("000000000000", "eu-west-1"),
            scope("111122223333", "us-east-1"),
            scope("111122223333", "us-iso-east-1"),
        ]
        .each_ref()
        .map(default_key_arn);
        // Stored with repositories, so it must never change.
        assert_eq!(
            arns.each_ref().map(String::as_str),
            [
                "arn:aws:kms:us-east-1:000000000000:key/ce505e1c-fddd-48da-88b8-c20bafa567da",
                "arn:aws:kms:eu-west-1:000000000000:key/5619aecd-5b8b-4993-8b34-23374abceb37",
                "arn:aws:kms:us-east-1:111122223333:key/1161c839-5104-4dd3-8e87-4f03a8a8ad23",
                "arn:aws-iso:kms:us-iso-east-1:111122223333:key/0edfcf4a-3f57-411a-b7a6-c6ba9d055160",
            ]
        );
        for arn in arns {
            let id = arn
                .rsplit('/')
                .next()
                .and_then(|id| uuid::Uuid::parse_str(id).ok());
            assert_eq!(id.map(|id| id.get_version_num()), Some(4), "{arn}");
        }
    }

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
