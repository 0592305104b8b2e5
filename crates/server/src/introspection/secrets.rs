//! `/_ecru/secrets`: the secrets that pull-through cache rules name by ARN. Values can be set but never read.

use std::fmt;

use ecru_model::{Region, RegistryId, Scope};
use ecru_registry::secrets::{Secret, SecretName, SecretSummary, delete_secret, list_secrets, put_secret};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ecru::{LIMIT_DEFAULT, LIMIT_MAX};
use super::{Answered, Asked, Problem, with};

const REGION_DEFAULT: &str = "us-east-1";

/// Either an ARN, or a name with its account and region.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    arn: Option<String>,
    name: Option<String>,
    registry_id: Option<String>,
    region: Option<String>,
    kms_key_id: Option<String>,
    value: Hidden,
}

/// The document itself, or its text.
struct Hidden(Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Secret::new(match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            document => document.to_string(),
        })))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hidden(…)")
    }
}

pub(super) async fn put(asked: &Asked<'_>) -> Answered {
    // The answer does not describe the fault of the body, because it might quote the value.
    const SHAPE: Problem = Problem::BadRequest(
        "the body is {\"arn\" or \"name\": …, \"value\": {\"username\": …, \"accessToken\": …}}, with \"registryId\" \
         and \"region\" of a name, and \"kmsKeyId\" where it is not encrypted with the default key",
    );
    const REGISTRY: Problem = Problem::BadRequest("a registry id is 12 digits");
    const REGION: Problem = Problem::BadRequest("`region` is not the name of a region");

    let wanted = asked.read_body::<Wanted>().ok_or(SHAPE)?;
    let name = match (wanted.arn, wanted.name) {
        (Some(arn), None) => SecretName::Arn(arn),
        (None, Some(name)) => {
            let registry_id = wanted.registry_id.map(RegistryId::parse).transpose();
            let region = Region::parse(wanted.region.as_deref().unwrap_or(REGION_DEFAULT));
            let default = || asked.service.default_account.clone();
            let scope = Scope {
                registry_id: registry_id.map_err(|_| REGISTRY)?.unwrap_or_else(default),
                region: region.map_err(|_| REGION)?,
            };
            SecretName::In(scope, name)
        }
        _ => return Err(SHAPE),
    };
    let arn = put_secret(asked.service, name, wanted.value.0, wanted.kms_key_id).await?;
    Ok(json!({ "arn": arn }))
}

/// Sorted by ARN, so that a page can begin after one.
pub(super) async fn list(asked: &Asked<'_>) -> Answered {
    let after = asked.query.get("after").unwrap_or_default();
    let found = list_secrets(
        asked.service,
        after.to_owned(),
        asked.limit(LIMIT_DEFAULT, LIMIT_MAX)?,
    )
    .await?;
    let body = json!({ "secrets": found.items.iter().map(secret).collect::<Vec<_>>() });
    Ok(match found.next {
        Some(next) => with(body, "next", next),
        None => body,
    })
}

pub(super) async fn delete(asked: &Asked<'_>) -> Answered {
    const NAMED: Problem = Problem::BadRequest("`?arn=` must name the secret to delete");
    const UNKNOWN: Problem = Problem::NotFound("there is no secret with this ARN");
    let arn = asked.query.get("arn").ok_or(NAMED)?;
    if !delete_secret(asked.service, arn.to_owned()).await? {
        return Err(UNKNOWN);
    }
    Ok(json!({ "arn": arn }))
}

fn secret(secret: &SecretSummary) -> Value {
    let shown = json!({ "arn": secret.arn });
    match &secret.kms_key {
        Some(key) => with(shown, "kmsKeyId", key.as_str()),
        None => shown,
    }
}
