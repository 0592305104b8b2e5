//! The addresses of repositories with the same name in other regions of an account.

use ecru_model::{RepositoryName, Scope};

use crate::records::regions::regions_with;
use crate::{Context, Error};

/// The other regions in which the caller's own account has a repository of this name, and how this client can
/// reach it there.
pub async fn hint_at_other_regions(ctx: &Context, name: &RepositoryName) -> Result<Option<String>, Error> {
    // A download address opens one layer only and must not reveal other repositories.
    if ctx.granted || ctx.caller.registry_id != ctx.scope.registry_id {
        return Ok(None);
    }
    Ok(hint(ctx, name, &visible_regions(ctx, name).await?))
}

async fn visible_regions(ctx: &Context, name: &RepositoryName) -> Result<Vec<Scope>, Error> {
    let access = ctx.access("DescribeRepositories", None);
    ctx.store
        .read(|at| {
            let mut visible = Vec::new();
            for region in regions_with(at, &ctx.scope, name)? {
                // Callers that may not see it cannot tell that it exists.
                if let Ok(Some(found)) = access.in_region(region).find_repository(at, name) {
                    visible.push(found.scope);
                }
            }
            Ok(visible)
        })
        .await
}

/// If no host of ECR's form is certain to reach the server, a token of that region works under the host of
/// this request.
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
