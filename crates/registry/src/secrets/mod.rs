//! Secrets that rules of the pull-through cache name, until another service stores them.

use ecru_model::{Digest, ErrorCode, Region, RegistryId, Scope};
use ecru_platform::paging::Filling;
use ecru_platform::{Page, paging};
use ecru_store::{Snapshot, StoreError, Tx, Value};

pub use crate::ports::secret::Secret;
use crate::{Error, Service};

const SECRETS_MAX: i64 = 10_000;
const VALUE_BYTES_MAX: usize = 64 * 1024;
const NAME_CHARACTERS_MAX: usize = 512;
/// The key that encrypts a secret unless another key is named.
const DEFAULT_KEY: &str = "alias/aws/secretsmanager";

/// The name under which a secret is put.
#[derive(Clone, Debug)]
pub enum SecretName {
    Arn(String),
    In(Scope, String),
}

/// The visible part of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSummary {
    pub arn: String,
    pub kms_key: Option<String>,
}

pub(crate) struct Found {
    pub(crate) value: Secret,
    /// Whether a key of the customer encrypts it.
    pub(crate) sealed: bool,
}

/// Stores a secret under its ARN, replaces an earlier value, and returns the ARN.
pub async fn put_secret(
    service: &Service,
    name: SecretName,
    value: Secret,
    kms_key: Option<String>,
) -> Result<String, Error> {
    let arn = match name {
        SecretName::Arn(arn) => arn,
        SecretName::In(scope, name) => arn_of(&scope, &name),
    };
    let Some(scope) = scope_of(&arn) else {
        return Err(Error::parameter(
            "arn",
            "must be arn:<partition>:secretsmanager:<region>:<account>:secret:<name>",
        ));
    };
    if value.reveal().is_empty() || value.reveal().len() > VALUE_BYTES_MAX {
        return Err(Error::parameter("value", "must have 1 to 65536 bytes"));
    }
    let kept = arn.clone();
    let kms_key = kms_key.filter(|key| key != DEFAULT_KEY);
    service
        .store
        .write(move |tx| {
            tx.execute(
                "INSERT INTO secrets (arn, account, region, kms_key, value) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (arn) DO UPDATE SET kms_key = excluded.kms_key, value = excluded.value",
                &[
                    Value::Text(&kept),
                    Value::Text(scope.registry_id.as_str()),
                    Value::Text(scope.region.as_str()),
                    Value::from(kms_key.as_deref()),
                    Value::Text(value.reveal()),
                ],
            )?;
            check_count(tx)
        })
        .await?;
    Ok(arn)
}

/// Returns whether the secret existed.
pub async fn delete_secret(service: &Service, arn: String) -> Result<bool, Error> {
    let delete = move |tx: &Tx<'_>| tx.execute("DELETE FROM secrets WHERE arn = ?1", &[Value::Text(&arn)]);
    Ok(service.store.write(delete).await? > 0)
}

/// A page in the order of ARNs, from the one after `after`, without the values.
pub async fn list_secrets(
    service: &Service,
    after: String,
    limit: u32,
) -> Result<Page<SecretSummary, String>, Error> {
    paging::read_elsewhere(&service.store, limit, move |at, room| {
        let mut filling = Filling::new(room);
        at.each(
            "SELECT arn, kms_key FROM secrets WHERE arn > ?1 ORDER BY arn LIMIT ?2",
            &[Value::Text(&after), Value::Integer(i64::from(limit) + 1)],
            &mut |row| {
                let secret = SecretSummary {
                    arn: row.text(0)?.to_owned(),
                    kms_key: row.optional_text(1)?.map(str::to_owned),
                };
                let bytes = secret.arn.len() + secret.kms_key.as_ref().map_or(0, String::len);
                Ok(filling.push(bytes, secret))
            },
        )?;
        Ok(filling.page_by(|last| last.arn.clone()))
    })
    .await
}

pub(crate) fn find(at: &Snapshot<'_>, arn: &str) -> Result<Option<Found>, StoreError> {
    at.find(
        "SELECT value, kms_key FROM secrets WHERE arn = ?1",
        &[Value::Text(arn)],
        |row| {
            Ok(Found {
                value: Secret::new(row.text(0)?),
                sealed: row.optional_text(1)?.is_some(),
            })
        },
    )
}

pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM secrets WHERE account = ?1 OR ?1 IS NULL",
        &[Value::from(account)],
    )?;
    Ok(())
}

/// The registry with the account and region of an ARN.
pub(crate) fn scope_of(arn: &str) -> Option<Scope> {
    let mut parts = arn.strip_prefix("arn:")?.splitn(6, ':');
    let (partition, service) = (parts.next()?, parts.next()?);
    let region = Region::parse(parts.next()?).ok()?;
    let registry_id = RegistryId::parse(parts.next()?).ok()?;
    let (kind, name) = (parts.next()?, parts.next()?);
    let regular = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    // Secrets stored by earlier versions name `aws` in partitions that those versions did not support.
    let named_before = partition == "aws" && !matches!(region.partition(), "aws-cn" | "aws-us-gov");
    let placed = partition == region.partition() || named_before;
    let known = service == "secretsmanager" && placed && kind == "secret";
    let named = (1..=NAME_CHARACTERS_MAX).contains(&name.len()) && name.bytes().all(regular);
    (known && named).then_some(Scope { registry_id, region })
}

/// Ends in six characters, as every ARN of a secret does; the same name always gives the same characters.
fn arn_of(scope: &Scope, name: &str) -> String {
    let digest = Digest::of(name.as_bytes()).to_string();
    let (_, hexadecimal) = digest.split_once(':').unwrap_or_default();
    let name = format!("{name}-{}", hexadecimal.get(..6).unwrap_or_default());
    scope.arn("secretsmanager", "secret:", &name)
}

fn check_count(at: &Snapshot<'_>) -> Result<(), Error> {
    let count = at.find("SELECT COUNT(*) FROM secrets", &[], |row| row.integer(0))?;
    if count.unwrap_or(0) <= SECRETS_MAX {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::LimitExceededException,
        format!("There are {SECRETS_MAX} secrets already."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_of_a_secret_names_its_account_and_region() {
        let scope = Scope {
            registry_id: RegistryId::parse("111122223333").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
        };
        let arn = arn_of(&scope, "ecr-pullthroughcache/hub");
        assert!(
            arn.starts_with("arn:aws:secretsmanager:eu-west-1:111122223333:secret:ecr-pullthroughcache/hub-"),
            "{arn}"
        );
        assert_eq!(scope_of(&arn), Some(scope));
        for other in [
            "",
            "hub",
            "arn:aws:s3:eu-west-1:111122223333:secret:hub",
            "arn:aws:secretsmanager:eu-west-1:1:secret:hub",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a b",
            "arn:aws:secretsmanager:eu-west-1:111122223333:key:hub",
        ] {
            assert_eq!(scope_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", Some(Secret::new("hunter2"))).contains("hunter2"));
    }
}
