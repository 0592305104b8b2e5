//! How a repository is encrypted: recorded, reported and compared; the bytes themselves are not encrypted.

use ecru_model::{EncryptionType, ErrorCode, Scope};

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
    let Some(rest) = key.strip_prefix("arn:") else {
        let resource = if key.starts_with("alias/") {
            key.to_owned()
        } else {
            format!("key/{key}")
        };
        let partition = region.partition();
        return Ok(format!("arn:{partition}:kms:{region}:{registry_id}:{resource}"));
    };
    let mut parts = rest.splitn(5, ':').skip(1);
    let regional = parts.next() == Some("kms") && parts.next() == Some(region.as_str());
    let account = parts
        .next()
        .is_some_and(|account| ecru_model::RegistryId::parse(account).is_ok());
    let resource = parts
        .next()
        .is_some_and(|name| name.starts_with("key/") || name.starts_with("alias/"));
    if regional && account && resource {
        return Ok(key.to_owned());
    }
    let message = format!("The KMS key '{key}' is not a key of the region {region}");
    Err(
        Error::new(ErrorCode::KmsException, message).with_detail(Detail::Kms {
            error: "NotFoundException".to_owned(),
        }),
    )
}
