//! `ValidatePullThroughCacheRule`: checks whether the upstream admits the cache.

use ecru_model::{ValidatePullThroughCacheRuleInput as Input, ValidatePullThroughCacheRuleOutput as Output};

use super::load;
use crate::pull_through_cache::{Origin, Trouble, UpstreamError, origin_of, upstreams};
use crate::{Context, Error};

pub async fn validate_pull_through_cache_rule(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("ValidatePullThroughCacheRule", input.registry_id.as_ref());
    let (rule, origin) = ctx
        .store
        .read(|at| {
            access.registry(at)?;
            let rule = load(at, &access.scope, &input.ecr_repository_prefix)?;
            let origin = match origin_of(ctx, at, &access.scope, &rule) {
                Ok(origin) => Ok(origin),
                Err(Trouble::Registry(error)) => return Err(error),
                Err(trouble) => Err(trouble),
            };
            Ok((rule, origin))
        })
        .await?;
    let failure = match origin {
        Ok(origin) => enter(ctx, &origin).await,
        Err(trouble) => Err(trouble),
    }
    .err();
    if let Some(Trouble::Upstream(UpstreamError::Unavailable(cause))) = &failure {
        tracing::debug!(
            error = &**cause as &dyn std::error::Error,
            "an upstream cannot be reached"
        );
    }

    let described = rule.describe(&access.scope.registry_id);
    Ok(Output {
        ecr_repository_prefix: described.ecr_repository_prefix,
        registry_id: described.registry_id,
        upstream_registry_url: described.upstream_registry_url,
        credential_arn: described.credential_arn,
        custom_role_arn: described.custom_role_arn,
        upstream_repository_prefix: described.upstream_repository_prefix,
        is_valid: Some(failure.is_none()),
        failure: failure.map(|trouble| trouble.sentence()),
    })
}

/// Without credentials, the check succeeds if the upstream answers.
async fn enter(ctx: &Context, origin: &Origin) -> Result<(), Trouble> {
    let Origin::Elsewhere(upstream) = origin else {
        return Ok(());
    };
    match upstreams(ctx)?.enter(upstream).await {
        Err(UpstreamError::Denied) if upstream.credentials.is_none() => Ok(()),
        answer => Ok(answer?),
    }
}
