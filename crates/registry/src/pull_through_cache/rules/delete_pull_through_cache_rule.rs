//! `DeletePullThroughCacheRule`: removes a rule; images that it cached stay.

use ecru_model::{DeletePullThroughCacheRuleInput as Input, DeletePullThroughCacheRuleOutput as Output};

use super::{load, remove};
use crate::{Context, Error};

pub async fn delete_pull_through_cache_rule(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DeletePullThroughCacheRule", input.registry_id.as_ref());

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let rule = load(tx, &access.scope, &input.ecr_repository_prefix)?;
            remove(tx, &access.scope, &input.ecr_repository_prefix)?;

            let described = rule.describe(&access.scope.registry_id);
            Ok(Output {
                ecr_repository_prefix: described.ecr_repository_prefix,
                upstream_registry_url: described.upstream_registry_url,
                created_at: described.created_at,
                registry_id: described.registry_id,
                credential_arn: described.credential_arn,
                custom_role_arn: described.custom_role_arn,
                upstream_repository_prefix: described.upstream_repository_prefix,
            })
        })
        .await
}
