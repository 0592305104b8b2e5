//! The other regions in which an account has a repository of the same name.

use ecru_model::{Region, RepositoryName, Scope};
use ecru_store::{Snapshot, Value, stored};

use super::repositories::{find, not_found};
use crate::Error;

/// At most this many regions are searched; only a hostile account has more.
const REGIONS_MAX: usize = 100;

/// The only other region of the account that has the repository. None if no other region has it.
pub(crate) fn the_other_region(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &RepositoryName,
) -> Result<Option<Region>, Error> {
    let mut regions = regions_with(at, scope, name)?.into_iter();
    match (regions.next(), regions.next()) {
        (region, None) => Ok(region),
        // A push does not create a third one either.
        (_, Some(_)) => Err(not_found(scope, name)),
    }
}

pub(crate) fn regions_with(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &RepositoryName,
) -> Result<Vec<Region>, Error> {
    let mut with = Vec::new();
    let mut last = String::new();
    for _ in 0..REGIONS_MAX {
        // One index step for each region, whatever its number of repositories.
        let next = at.find(
            "SELECT region FROM repositories WHERE account = ?1 AND region > ?2 AND deleted = 0 ORDER BY region LIMIT 1",
            &[scope.registry_id.as_str(), &last].map(Value::Text),
            |row| stored(Region::parse(row.text(0)?)),
        )?;
        let Some(region) = next else { break };
        region.as_str().clone_into(&mut last);
        let there = Scope {
            registry_id: scope.registry_id.clone(),
            region,
        };
        if there.region != scope.region && find(at, &there, name)?.is_some() {
            with.push(there.region);
        }
    }
    Ok(with)
}
