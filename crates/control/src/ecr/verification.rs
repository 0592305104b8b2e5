//! `/_ecru/verification`: the repositories that accept tags only for signed images, and their keys.

use ecru_model::{Region, RegistryId, RepositoryName};
use ecru_registry::introspection::ScopedName;
use ecru_registry::verification::{
    KeyReference, KmsKeyArn, PublicKey, delete_requirement, find_requirement, list_requirements,
    put_requirement,
};
use serde::{Deserialize, Serialize};

use super::named::{Named, OneRepository};
use crate::body::{Body, NoBody};
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::query::NoQuery;
use crate::route::{Room, room, route};
use crate::text::Text;

const NO_REQUIREMENT: Problem = Problem::not_found("the repository requires no signatures");

pub(super) const ROOM: Room = room!(
    "verification",
    "Repositories that accept tags only for signed images.",
    [
        route!(
            Get,
            "/_ecru/verification",
            "getVerification",
            "Lists every repository that requires signatures, with its key; only one with `repository`",
            get
        ),
        route!(
            Put,
            "/_ecru/verification",
            "putVerification",
            "Restricts the tags of a repository to images that a key has signed",
            put
        ),
        route!(
            Delete,
            "/_ecru/verification",
            "deleteVerification",
            "Removes the restriction of a repository",
            delete
        ),
    ]
);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct VerificationQuery {
    /// Only this repository, without a page around it.
    repository: Option<Text<RepositoryName>>,
    /// The account of `repository`, by default the server's default account.
    registry_id: Option<Text<RegistryId>>,
    /// The region of `repository`, by default us-east-1.
    region: Option<Text<Region>>,
    #[serde(flatten)]
    paging: Paging,
}

/// Names exactly one key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WantedVerification"))]
struct Wanted {
    registry_id: Option<Text<RegistryId>>,
    region: Option<Text<Region>>,
    repository_name: Text<RepositoryName>,
    /// A public key (ECDSA on P-256) in PEM.
    public_key_pem: Option<String>,
    kms_key_arn: Option<String>,
}

impl Body for Wanted {
    const SHAPE: &'static str = "the body is {\"repositoryName\": …, \"publicKeyPem\" or \"kmsKeyArn\": …}, with \"registryId\" \
         and \"region\" of the repository";
}

/// A repository that requires signatures.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Requirement {
    #[serde(flatten)]
    repository: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key_pem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_arn: Option<String>,
}

/// One repository if the query names one, otherwise a page of all.
#[derive(Serialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum Verification {
    One(Requirement),
    All {
        verification: Vec<Requirement>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
}

async fn get(call: Call<'_>, query: VerificationQuery, _: NoBody) -> Result<Verification, Problem> {
    if let Some(repository) = query.repository {
        let one = OneRepository {
            repository,
            registry_id: query.registry_id,
            region: query.region,
        };
        let named = one.scoped(call);
        let key = find_requirement(&call.control.ecr, &named).await?;
        let key = key.ok_or(NO_REQUIREMENT)?;
        return Ok(Verification::One(Requirement::new(named, &key)));
    }
    let found = list_requirements(&call.control.ecr, query.paging.extent()?).await?;
    let (verification, next) = shown(found, |found| Requirement::new(found.place, &found.key));
    Ok(Verification::All { verification, next })
}

async fn put(call: Call<'_>, _: NoQuery, wanted: Wanted) -> Result<Requirement, Problem> {
    let named = ScopedName {
        scope: call.scope(wanted.registry_id, wanted.region),
        repository_name: wanted.repository_name.0,
    };
    let key = match (wanted.public_key_pem, wanted.kms_key_arn) {
        (Some(pem), None) => PublicKey::from_pem(&pem)
            .map(KeyReference::PublicKey)
            .map_err(|error| Problem::bad_request(format!("`publicKeyPem`: {error}")))?,
        (None, Some(arn)) => KmsKeyArn::accept(&arn, &named.scope.region)
            .map(KeyReference::Kms)
            .map_err(|error| Problem::bad_request(format!("`kmsKeyArn`: {error}")))?,
        _ => {
            return Err(Problem::constant(
                "exactly one of `publicKeyPem` and `kmsKeyArn` is given",
            ));
        }
    };
    put_requirement(&call.control.ecr, named.clone(), key.clone()).await?;
    Ok(Requirement::new(named, &key))
}

async fn delete(call: Call<'_>, query: OneRepository, _: NoBody) -> Result<Named, Problem> {
    let named = query.scoped(call);
    if !delete_requirement(&call.control.ecr, named.clone()).await? {
        return Err(NO_REQUIREMENT);
    }
    Ok(named.into())
}

impl Requirement {
    fn new(named: ScopedName, key: &KeyReference) -> Self {
        let (public_key_pem, kms_key_arn) = match key {
            KeyReference::PublicKey(key) => (Some(key.to_pem()), None),
            KeyReference::Kms(arn) => (None, Some(arn.as_str().to_owned())),
        };
        Self {
            repository: named.into(),
            public_key_pem,
            kms_key_arn,
        }
    }
}
