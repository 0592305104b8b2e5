//! How a repository is encrypted: recorded, reported and compared; the bytes themselves are not encrypted.

use ecru_model::{Arn, EncryptionType, ErrorCode, Scope};

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
    /// KMS without a key means the account's own key for ECR; a key is kept as its ARN.
    pub(crate) fn accept(scope: &Scope, kind: EncryptionType, key: Option<&str>) -> Result<Self, Error> {
        match kind {
            EncryptionType::Aes256 if key.is_some() => Err(Error::parameter(
                "encryptionConfiguration",
                "kmsKey can only be specified when encryptionType is KMS or KMS_DSSE",
            )),
            EncryptionType::Aes256 => Ok(Self::default()),
            kind => {
                let arn = kms_arn(scope, key.unwrap_or("alias/aws/ecr"))?;
                Ok(Self {
                    kind,
                    kms_key: Some(arn),
                })
            }
        }
    }
}

/// The ARN of a key given by ARN, id or alias. Keys of another region cannot serve a repository.
fn kms_arn(scope: &Scope, key: &str) -> Result<String, Error> {
    let Scope { registry_id, region } = scope;
    if !key.starts_with("arn:") {
        let resource = if key.starts_with("alias/") {
            key.to_owned()
        } else {
            format!("key/{key}")
        };
        let partition = region.partition();
        return Ok(format!("arn:{partition}:kms:{region}:{registry_id}:{resource}"));
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
    let message = format!("The KMS key '{key}' is not a key of the region {region}");
    Err(
        Error::new(ErrorCode::KmsException, message).with_detail(Detail::Kms {
            error: "NotFoundException".to_owned(),
        }),
    )
}
