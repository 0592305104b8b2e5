//! The repository at the destination: who may write there from elsewhere, and how it is made when it is missing.

use ecru_model::{EncryptionType, ErrorCode, ImageTagMutability};
use ecru_store::{Snapshot, Tx};

use super::Route;
use crate::Error;
use crate::context::Terms;
use crate::registry_settings;
use crate::repositories::{self, Encryption, Repository};

/// The repository, made where it is missing, if the destination lets the source write there.
pub(super) fn open(tx: &Tx<'_>, route: &Route, terms: &Terms) -> Result<Repository, Error> {
    if let Some(repository) = find(tx, route)? {
        return Ok(repository);
    }
    check(tx, route, "CreateRepository")?;
    create(tx, route, terms)
}

/// The repository if it is there, and if the destination lets the source write there.
pub(super) fn find(at: &Snapshot<'_>, route: &Route) -> Result<Option<Repository>, Error> {
    check(at, route, "ReplicateImage")?;
    Ok(repositories::find(at, &route.destination, &route.name)?)
}

fn create(tx: &Tx<'_>, route: &Route, terms: &Terms) -> Result<Repository, Error> {
    registry_settings::check_repository_quota(tx, &terms.quotas, &route.destination)?;
    let mut repository = Repository {
        id: 0,
        scope: route.destination.clone(),
        name: route.name.clone(),
        created_at: terms.at.now,
        tag_mutability: ImageTagMutability::Mutable,
        exclusion_filters: Vec::new(),
        scan_on_push: false,
        encryption: Encryption {
            kind: EncryptionType::Aes256,
            kms_key: None,
        },
    };
    repository.id = repositories::insert(tx, &repository)?;
    Ok(repository)
}

/// Within an account nobody is asked; another account's registry policy has to allow it.
fn check(at: &Snapshot<'_>, route: &Route, action: &'static str) -> Result<(), Error> {
    let Route {
        source,
        name,
        destination,
    } = route;
    if source.registry_id == destination.registry_id || allows(at, route, action)? {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::AccessDeniedException,
        format!(
            "User: arn:{}:iam::{}:root is not authorized to perform: ecr:{action} on resource: {} because no \
             resource-based policy allows the ecr:{action} action",
            source.region.partition(),
            source.registry_id,
            destination.repository_arn(name),
        ),
    ))
}

/// Whether the registry policy of the destination names both the account and the action.
fn allows(at: &Snapshot<'_>, route: &Route, action: &str) -> Result<bool, Error> {
    let Some(policy) = registry_settings::find(at, &route.destination, "REGISTRY_POLICY")? else {
        return Ok(false);
    };
    let names_action = policy.contains(&format!("ecr:{action}")) || policy.contains("ecr:*");
    Ok(policy.contains(route.source.registry_id.as_str()) && names_action)
}
