//! `UpdatePullThroughCacheRule`: changes how the cache authenticates upstream; settings that are not named stay.

use ecru_model::{UpdatePullThroughCacheRuleInput as Input, UpdatePullThroughCacheRuleOutput as Output};

use super::{check_role, load, save};
use crate::pull_through_cache::credentials;
use crate::{Context, Error};

pub async fn update_pull_through_cache_rule(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("UpdatePullThroughCacheRule", input.registry_id.as_ref());
    let now = ctx.clock.now();

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let mut rule = load(tx, &access.scope, &input.ecr_repository_prefix)?;
            if let Some(arn) = &input.credential_arn {
                credentials::check(tx, &access.scope, arn)?;
                rule.credential_arn = Some(arn.clone());
            }
            if let Some(role) = &input.custom_role_arn {
                check_role(&access.scope, Some(role))?;
                rule.custom_role_arn = Some(role.clone());
            }
            rule.updated_at = now;
            save(tx, &access.scope, &rule)?;

            let described = rule.describe(&access.scope.registry_id);
            Ok(Output {
                ecr_repository_prefix: described.ecr_repository_prefix,
                registry_id: described.registry_id,
                updated_at: described.updated_at,
                credential_arn: described.credential_arn,
                custom_role_arn: described.custom_role_arn,
                upstream_repository_prefix: described.upstream_repository_prefix,
            })
        })
        .await
}
