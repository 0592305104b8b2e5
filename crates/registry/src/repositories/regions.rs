//! Repositories of the same name in other regions of an account.

use ecru_model::{Region, RepositoryName, Scope};
use ecru_store::{Snapshot, Value};

use super::{find, not_found, stored};
use crate::{Context, Error};

/// At most this many regions are searched; only an account that was made to be hostile has more.
const REGIONS_MAX: usize = 100;

/// The only other region of the account that has the repository; none where no other has it.
pub(crate) fn the_other_region(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &RepositoryName,
) -> Result<Option<Region>, Error> {
    let mut regions = regions_with(at, scope, name)?.into_iter();
    match (regions.next(), regions.next()) {
        (region, None) => Ok(region),
        // Not made as a third one by a push either.
        (_, Some(_)) => Err(not_found(scope, name)),
    }
}

/// Says in which other regions the caller's own account has a repository of this name, and how this client reaches it.
pub fn hint_at_other_regions(ctx: &Context, name: &RepositoryName) -> Result<Option<String>, Error> {
    // A download address opens one layer and says nothing of other repositories.
    if ctx.granted || ctx.caller.registry_id != ctx.scope.registry_id {
        return Ok(None);
    }
    Ok(hint(ctx, name, &visible_regions(ctx, name)?))
}

fn visible_regions(ctx: &Context, name: &RepositoryName) -> Result<Vec<Scope>, Error> {
    let access = ctx.access("DescribeRepositories", None);
    ctx.store.read(|at| {
        let mut visible = Vec::new();
        for region in regions_with(at, &ctx.scope, name)? {
            // Callers that may not see it cannot tell that it exists.
            if let Ok(Some(found)) = access.in_region(region).find_repository(at, name) {
                visible.push(found.scope);
            }
        }
        Ok(visible)
    })
}

/// Where no host of ECR's form is sure to reach the server, a token of the region does under the host of this request.
fn hint(ctx: &Context, name: &RepositoryName, there: &[Scope]) -> Option<String> {
    let where_to = |scope: &Scope| match ctx.ecr_authority(scope) {
        Some(authority) => format!("{authority}/{name} ({})", scope.region),
        None => scope.region.to_string(),
    };
    let listed = there.iter().map(where_to).collect::<Vec<_>>().join(", ");
    let (regions, region) = match there {
        [] => return None,
        [only] => ("another region", only.region.as_str()),
        [..] => ("other regions", "<region>"),
    };
    let mut hint = format!("a repository with this name exists in {regions}: {listed}");
    if there.iter().any(|scope| ctx.ecr_authority(scope).is_none()) {
        hint.push_str("; log in with the password of `aws ecr get-login-password --region ");
        hint.push_str(region);
        hint.push_str("` to use it");
    }
    Some(hint)
}

fn regions_with(at: &Snapshot<'_>, scope: &Scope, name: &RepositoryName) -> Result<Vec<Region>, Error> {
    let mut with = Vec::new();
    let mut last = String::new();
    for _ in 0..REGIONS_MAX {
        // A step of the index for each region, however many repositories it has.
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
