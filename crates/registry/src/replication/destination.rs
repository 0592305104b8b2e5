//! The repository at the destination: the permission to replicate into it, and its creation if it is missing.

use ecru_model::RCTAppliedFor as AppliedFor;
use ecru_policy::Circumstances;
use ecru_store::{Snapshot, Tx};

use super::Route;

use crate::access::Access;
use crate::context::StoreRules;
use crate::creation_templates::create_repository;
use crate::records::repositories::Repository;
use crate::{Caller, Error};

/// The repository, created if it is missing, if the destination permits the source to replicate.
pub(super) fn open(tx: &Tx<'_>, route: &Route, store_rules: &StoreRules) -> Result<Repository, Error> {
    let access = access(route, store_rules);
    match access.find_repository(tx, &route.name)? {
        Some(repository) => Ok(repository),
        None => create_repository(
            tx,
            &access,
            &route.name,
            AppliedFor::Replication,
            &store_rules.quotas,
        ),
    }
}

/// The repository, if it exists and the destination permits the source to replicate.
pub(super) fn find(
    snapshot: &Snapshot<'_>,
    route: &Route,
    store_rules: &StoreRules,
) -> Result<Option<Repository>, Error> {
    access(route, store_rules).find_repository(snapshot, &route.name)
}

/// The request of the source's account as a whole.
fn access(route: &Route, store_rules: &StoreRules) -> Access {
    let Route {
        source, destination, ..
    } = route;
    let circumstances = Circumstances {
        now: store_rules.at.now,
        source: None,
        organization_id: store_rules.organization_id.clone(),
    };
    Access::new(
        Caller::root(source),
        destination.clone(),
        "ReplicateImage",
        circumstances,
    )
}
