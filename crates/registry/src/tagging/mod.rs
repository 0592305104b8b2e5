//! The operations on resource tags.

mod list_tags_for_resource;
mod tag_resource;
mod untag_resource;

use ecru_model::{RepositoryName, Scope};

use crate::access::Access;
use crate::{Context, Error};

pub use list_tags_for_resource::list_tags_for_resource;
pub use tag_resource::tag_resource;
pub use untag_resource::untag_resource;

/// Reads the ARN of a repository: its name, and the access that the action needs.
fn resource(ctx: &Context, arn: &str, action: &'static str) -> Result<(Access, RepositoryName), Error> {
    let (scope, name) =
        Scope::parse_repository_arn(arn).ok_or_else(|| Error::parameter("resourceArn", "Invalid ARN"))?;
    if scope.region != ctx.scope.region {
        return Err(Error::parameter("resourceArn", "Invalid ARN"));
    }
    Ok((ctx.access(action, Some(&scope.registry_id)), name))
}
