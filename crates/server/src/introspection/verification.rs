//! `/_ecru/verification`: the repositories that accept tags only for signed images, and their keys.

use ecru_model::{Region, RegistryId, RepositoryName, Scope};
use ecru_registry::introspection::ScopedName;
use ecru_registry::verification::{
    KeyReference, KmsKeyArn, PublicKey, delete_requirement, find_requirement, list_requirements,
    put_requirement,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ecru::{LIMIT_DEFAULT, LIMIT_MAX};
use super::{Answered, Asked, Problem, page, with};

const REGION_DEFAULT: &str = "us-east-1";
const NO_REQUIREMENT: Problem = Problem::NotFound("the repository requires no signatures");

/// The body of a PUT: exactly one of the two keys.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    registry_id: Option<String>,
    region: Option<String>,
    repository_name: String,
    public_key_pem: Option<String>,
    kms_key_arn: Option<String>,
}

/// Returns one repository if the query names one, otherwise a page of all.
pub(super) async fn get(asked: &Asked<'_>) -> Answered {
    if asked.query.get("repository").is_some() {
        let place = named(asked)?;
        let key = find_requirement(asked.service, &place).await?;
        return key.map(|key| entry(&place, &key)).ok_or(NO_REQUIREMENT);
    }
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_requirements(asked.service, extent).await?;
    Ok(page("verification", &found, |requirement| {
        entry(&requirement.place, &requirement.key)
    }))
}

pub(super) async fn put(asked: &Asked<'_>) -> Answered {
    let wanted = asked
        .try_read_body::<Wanted>()
        .map_err(|error| Problem::Wrong(format!("the body cannot be read: {error}")))?;
    let place = place(
        asked,
        wanted.registry_id.as_deref(),
        wanted.region.as_deref(),
        &wanted.repository_name,
    )?;
    let key = key(
        &place.scope.region,
        wanted.public_key_pem.as_deref(),
        wanted.kms_key_arn.as_deref(),
    )?;
    put_requirement(asked.service, place.clone(), key.clone()).await?;
    Ok(entry(&place, &key))
}

pub(super) async fn delete(asked: &Asked<'_>) -> Answered {
    let place = named(asked)?;
    if !delete_requirement(asked.service, place.clone()).await? {
        return Err(NO_REQUIREMENT);
    }
    Ok(shown(&place))
}

fn key(region: &Region, pem: Option<&str>, arn: Option<&str>) -> Result<KeyReference, Problem> {
    match (pem, arn) {
        (Some(pem), None) => PublicKey::from_pem(pem)
            .map(KeyReference::PublicKey)
            .map_err(|error| Problem::Wrong(format!("`publicKeyPem`: {error}"))),
        (None, Some(arn)) => KmsKeyArn::accept(arn, region)
            .map(KeyReference::Kms)
            .map_err(|error| Problem::Wrong(format!("`kmsKeyArn`: {error}"))),
        _ => Err(Problem::BadRequest(
            "exactly one of `publicKeyPem` and `kmsKeyArn` is given",
        )),
    }
}

/// The repository in the query.
fn named(asked: &Asked<'_>) -> Result<ScopedName, Problem> {
    let name = asked.query.get("repository").unwrap_or_default();
    place(
        asked,
        asked.query.get("registryId"),
        asked.query.get("region"),
        name,
    )
}

/// A repository, by default of the default account in us-east-1.
fn place(
    asked: &Asked<'_>,
    registry_id: Option<&str>,
    region: Option<&str>,
    repository_name: &str,
) -> Result<ScopedName, Problem> {
    let registry_id = registry_id.map_or_else(
        || Ok(asked.service.default_account.clone()),
        |text| RegistryId::parse(text).map_err(|_| Problem::BadRequest("a registry id is 12 digits")),
    )?;
    let region = Region::parse(region.unwrap_or(REGION_DEFAULT))
        .map_err(|_| Problem::BadRequest("`region` is not the name of a region"))?;
    let repository_name = RepositoryName::parse(repository_name)
        .map_err(|_| Problem::BadRequest("the name is not that of a repository"))?;
    Ok(ScopedName {
        scope: Scope { registry_id, region },
        repository_name,
    })
}

fn shown(place: &ScopedName) -> Value {
    json!({
        "registryId": place.scope.registry_id.as_str(),
        "region": place.scope.region.as_str(),
        "repositoryName": place.repository_name.as_str(),
    })
}

fn entry(place: &ScopedName, key: &KeyReference) -> Value {
    match key {
        KeyReference::PublicKey(key) => with(shown(place), "publicKeyPem", key.to_pem()),
        KeyReference::Kms(arn) => with(shown(place), "kmsKeyArn", arn.as_str()),
    }
}
