//! `/_ecru/secrets`: the secrets that pull-through cache rules name by ARN. Values can be set but never read.

use ecru_model::{Region, RegistryId};
use ecru_registry::secrets::{Secret, SecretName, SecretSummary, delete_secret, list_secrets, put_secret};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::body::{Body, NoBody};
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::query::NoQuery;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "secrets",
    "Secrets of the pull-through cache.",
    [
        route!(
            Get,
            "/_ecru/secrets",
            "listSecrets",
            "Lists secrets of the pull-through cache, without their values",
            list
        ),
        route!(
            Put,
            "/_ecru/secrets",
            "putSecret",
            "Puts a secret of the pull-through cache",
            put
        ),
        route!(
            Delete,
            "/_ecru/secrets",
            "deleteSecret",
            "Removes a secret of the pull-through cache",
            delete
        ),
    ]
);

/// Either an ARN, or a name with its account and region.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WantedSecret"))]
struct Wanted {
    arn: Option<String>,
    name: Option<String>,
    /// The account of `name`, by default the server's default account.
    registry_id: Option<Text<RegistryId>>,
    /// The region of `name`, by default us-east-1.
    region: Option<Text<Region>>,
    kms_key_id: Option<String>,
    /// The document, as JSON or as its text.
    #[cfg_attr(test, schemars(with = "Value"))]
    value: Hidden,
}

impl Body for Wanted {
    const SHAPE: &'static str = "the body is {\"arn\" or \"name\": …, \"value\": {\"username\": …, \"accessToken\": …}}, with \
         \"registryId\" and \"region\" of a name, and \"kmsKeyId\" where it is not encrypted with the default key";

    /// Does not describe the fault of the body, because that might quote the value.
    fn refusal(_: serde_json::Error) -> Problem {
        Problem::constant(Self::SHAPE)
    }
}

struct Hidden(Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Secret::new(match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            document => document.to_string(),
        })))
    }
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OneSecret {
    /// The ARN of the secret.
    arn: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Secrets {
    secrets: Vec<ShownSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Secret"))]
struct ShownSecret {
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SecretArn {
    arn: String,
}

async fn put(call: Call<'_>, _: NoQuery, wanted: Wanted) -> Result<SecretArn, Problem> {
    let name = match (wanted.arn, wanted.name) {
        (Some(arn), None) => SecretName::Arn(arn),
        (None, Some(name)) => SecretName::In(call.scope(wanted.registry_id, wanted.region), name),
        _ => return Err(Problem::constant(Wanted::SHAPE)),
    };
    let arn = put_secret(&call.control.ecr, name, wanted.value.0, wanted.kms_key_id).await?;
    Ok(SecretArn { arn })
}

async fn list(call: Call<'_>, paging: Paging, _: NoBody) -> Result<Secrets, Problem> {
    let found = list_secrets(&call.control.ecr, paging.after(), paging.limit()).await?;
    let (secrets, next) = shown(found, ShownSecret::from);
    Ok(Secrets { secrets, next })
}

async fn delete(call: Call<'_>, query: OneSecret, _: NoBody) -> Result<SecretArn, Problem> {
    if !delete_secret(&call.control.ecr, query.arn.clone()).await? {
        return Err(Problem::not_found("there is no secret with this ARN"));
    }
    Ok(SecretArn { arn: query.arn })
}

impl From<SecretSummary> for ShownSecret {
    fn from(secret: SecretSummary) -> Self {
        Self {
            arn: secret.arn,
            kms_key_id: secret.kms_key,
        }
    }
}
