//! The repository at the destination: the permission to replicate into it, and its creation if it is missing.

use ecru_model::RCTAppliedFor as AppliedFor;
use ecru_policy::Circumstances;
use ecru_store::{Snapshot, Tx};

use super::Route;

use crate::access::Access;
use crate::context::Terms;
use crate::creation_templates::create_repository;
use crate::records::repositories::Repository;
use crate::{Caller, Error};

/// The repository, created if it is missing, if the destination permits the source to replicate.
pub(super) fn open(tx: &Tx<'_>, route: &Route, terms: &Terms) -> Result<Repository, Error> {
    let access = access(route, terms);
    match access.find_repository(tx, &route.name)? {
        Some(repository) => Ok(repository),
        None => create_repository(tx, &access, &route.name, AppliedFor::Replication, &terms.quotas),
    }
}

/// The repository, if it exists and the destination permits the source to replicate.
pub(super) fn find(
    snapshot: &Snapshot<'_>,
    route: &Route,
    terms: &Terms,
) -> Result<Option<Repository>, Error> {
    access(route, terms).find_repository(snapshot, &route.name)
}

/// The request of the source's account as a whole.
fn access(route: &Route, terms: &Terms) -> Access {
    let Route {
        source, destination, ..
    } = route;
    let circumstances = Circumstances {
        now: terms.at.now,
        source: None,
        organization_id: terms.organization_id.clone(),
    };
    Access::new(
        Caller::root(source),
        destination.clone(),
        "ReplicateImage",
        circumstances,
    )
}
