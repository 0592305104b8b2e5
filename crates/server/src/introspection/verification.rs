//! `/_ecru/verification`: which repositories give tags to signed images only, and by which key.

use std::error::Error;

use bytes::Bytes;
use ecru_model::{Region, RegistryId, RepositoryName, Scope};
use ecru_registry::introspection::Place;
use ecru_registry::verification::{
    KeyReference, KmsKeyArn, PublicKey, delete_requirement, find_requirement, list_requirements,
    put_requirement,
};
use http::{Method, Response, StatusCode};
use http_body::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ecru::{LIMIT_DEFAULT, LIMIT_MAX};
use super::{Asked, Listed, Problem, answer_list, body, page, with};
use crate::own_door::not_allowed;
use crate::reply::Content;

const REGION_DEFAULT: &str = "us-east-1";
const NO_REQUIREMENT: &str = "the repository requires no signatures";

/// What is put: one of the two keys.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    registry_id: Option<String>,
    region: Option<String>,
    repository_name: String,
    public_key_pem: Option<String>,
    kms_key_arn: Option<String>,
}

pub(super) async fn answer<B>(asked: &Asked<'_>, method: &Method, body: &mut B) -> Response<Content>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let answer = match *method {
        Method::GET | Method::HEAD => get(asked).await,
        Method::PUT => put(asked, body).await,
        Method::DELETE => delete(asked).await,
        _ => return not_allowed("GET, HEAD, PUT, DELETE"),
    };
    answer_list(answer)
}

/// One repository where one is named, else a page of all.
async fn get(asked: &Asked<'_>) -> Listed {
    if asked.query.get("repository").is_some() {
        let place = named(asked)?;
        let key = find_requirement(asked.service, &place).await?;
        return key.map(|key| entry(&place, &key)).ok_or_else(no_requirement);
    }
    let extent = asked.extent(LIMIT_DEFAULT, LIMIT_MAX)?;
    let found = list_requirements(asked.service, extent).await?;
    Ok(page("verification", &found, |requirement| {
        entry(&requirement.place, &requirement.key)
    }))
}

async fn put<B>(asked: &Asked<'_>, body: &mut B) -> Listed
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let wanted = body::read::<B, Wanted>(body).await?;
    let place = place(
        asked,
        wanted.registry_id.as_deref(),
        wanted.region.as_deref(),
        &wanted.repository_name,
    )?;
    let key = key(wanted.public_key_pem.as_deref(), wanted.kms_key_arn.as_deref())?;
    put_requirement(asked.service, place.clone(), key.clone()).await?;
    Ok(entry(&place, &key))
}

async fn delete(asked: &Asked<'_>) -> Listed {
    if delete_requirement(asked.service, named(asked)?).await? {
        Ok(json!({ "status": "ok" }))
    } else {
        Err(no_requirement())
    }
}

fn no_requirement() -> Problem {
    Problem::Refused(StatusCode::NOT_FOUND, NO_REQUIREMENT.to_owned())
}

fn key(pem: Option<&str>, arn: Option<&str>) -> Result<KeyReference, Problem> {
    match (pem, arn) {
        (Some(pem), None) => PublicKey::from_pem(pem)
            .map(KeyReference::PublicKey)
            .map_err(|error| bad(format!("`publicKeyPem`: {error}"))),
        (None, Some(arn)) => KmsKeyArn::parse(arn)
            .map(KeyReference::Kms)
            .map_err(|error| bad(format!("`kmsKeyArn`: {error}"))),
        _ => Err(Problem::BadRequest(
            "exactly one of `publicKeyPem` and `kmsKeyArn` is given",
        )),
    }
}

fn bad(message: String) -> Problem {
    Problem::Refused(StatusCode::BAD_REQUEST, message)
}

/// The repository that the query names.
fn named(asked: &Asked<'_>) -> Result<Place, Problem> {
    let name = asked.query.get("repository").unwrap_or_default();
    place(
        asked,
        asked.query.get("registryId"),
        asked.query.get("region"),
        name,
    )
}

/// A repository, where nothing else is said of the default account in us-east-1.
fn place(
    asked: &Asked<'_>,
    registry_id: Option<&str>,
    region: Option<&str>,
    repository_name: &str,
) -> Result<Place, Problem> {
    let registry_id = registry_id.map_or_else(
        || Ok(asked.service.configuration.default_account.clone()),
        |text| RegistryId::parse(text).map_err(|_| Problem::BadRequest("a registry id is 12 digits")),
    )?;
    let region = Region::parse(region.unwrap_or(REGION_DEFAULT))
        .map_err(|_| Problem::BadRequest("`region` is not the name of a region"))?;
    let repository_name = RepositoryName::parse(repository_name)
        .map_err(|_| Problem::BadRequest("the name is not that of a repository"))?;
    Ok(Place {
        scope: Scope { registry_id, region },
        repository_name,
    })
}

fn entry(place: &Place, key: &KeyReference) -> Value {
    let entry = json!({
        "registryId": place.scope.registry_id.as_str(),
        "region": place.scope.region.as_str(),
        "repositoryName": place.repository_name.as_str(),
    });
    match key {
        KeyReference::PublicKey(key) => with(entry, "publicKeyPem", key.to_pem()),
        KeyReference::Kms(arn) => with(entry, "kmsKeyArn", arn.as_str()),
    }
}
