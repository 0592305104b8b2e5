//! `CreatePullThroughCacheRule`: creates a rule for a prefix that has none.

use ecru_model::{
    CreatePullThroughCacheRuleInput as Input, CreatePullThroughCacheRuleOutput as Output, ErrorCode,
    PullThroughCacheRuleRepositoryPrefix as Prefix, Scope, UpstreamRegistry,
};
use ecru_store::{Snapshot, stored};

use super::kind::{kind_of, needs_credentials, private_registry};
use super::{HELD, ROOT, Rule, check_role, find, key, save};
use crate::pull_through_cache::credentials;
use crate::{Context, Error};

pub async fn create_pull_through_cache_rule(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("CreatePullThroughCacheRule", input.registry_id.as_ref());
    let now = ctx.clock.now();
    let quotas = ctx.configuration.quotas;
    let upstreams = ctx.ports.upstreams.as_ref();
    let admitted = upstreams.is_some_and(|upstreams| upstreams.admits(&input.upstream_registry_url));

    let output = ctx
        .store
        .write(move |tx| {
            access.registry(tx)?;
            let scope = &access.scope;
            let rule = Rule {
                prefix: input.ecr_repository_prefix.clone(),
                upstream_registry: accept_upstream(&input, admitted)?,
                upstream_url: input.upstream_registry_url.clone(),
                upstream_prefix: accept_upstream_prefix(&input)?,
                credential_arn: input.credential_arn.clone(),
                custom_role_arn: input.custom_role_arn.clone(),
                created_at: now,
                updated_at: now,
            };
            check_leave(tx, scope, &rule)?;
            if find(tx, scope, key(rule.prefix.as_str()))?.is_some() {
                return Err(already_exists(scope, &rule.prefix));
            }
            quotas.take(tx, scope, &HELD)?;
            save(tx, scope, &rule)?;

            let described = rule.describe(&scope.registry_id);
            Ok(Output {
                ecr_repository_prefix: described.ecr_repository_prefix,
                upstream_registry_url: described.upstream_registry_url,
                created_at: described.created_at,
                registry_id: described.registry_id,
                upstream_registry: described.upstream_registry,
                credential_arn: described.credential_arn,
                custom_role_arn: described.custom_role_arn,
                upstream_repository_prefix: described.upstream_repository_prefix,
            })
        })
        .await?;
    ctx.caching.begins();
    Ok(output)
}

/// None for a registry that the operator of this server has named. [unknown] ECR's answer to a kind that does
/// not match the URL.
fn accept_upstream(input: &Input, admitted: bool) -> Result<Option<UpstreamRegistry>, Error> {
    let url = &input.upstream_registry_url;
    let kind = kind_of(url);
    let known = kind.is_some() || admitted;
    if !known || (input.upstream_registry.is_some() && input.upstream_registry != kind) {
        return Err(unsupported(&format!(
            "The upstream registry URL {url} is invalid. Specify a valid upstream registry URL and try again"
        )));
    }
    Ok(kind)
}

fn accept_upstream_prefix(input: &Input) -> Result<Prefix, Error> {
    let Some(prefix) = &input.upstream_repository_prefix else {
        return Ok(stored(Prefix::parse(ROOT))?);
    };
    if input.ecr_repository_prefix.as_str() == ROOT && prefix.as_str() != ROOT {
        // [unknown] ECR's wording.
        return Err(invalid(
            "The upstream repository prefix must be ROOT when the ECR repository prefix is ROOT",
        ));
    }
    Ok(prefix.clone())
}

/// Checks that the rule has the role and the credentials that its upstream needs.
fn check_leave(at: &Snapshot<'_>, scope: &Scope, rule: &Rule) -> Result<(), Error> {
    check_role(scope, rule.custom_role_arn.as_ref())?;
    if rule.credential_arn.is_none() && rule.upstream_registry.is_some_and(needs_credentials) {
        return Err(unsupported(
            "The specified upstream registry requires authentication. Specify a valid Secrets Manager ARN and try \
             again",
        ));
    }
    if let Some(source) = private_registry(&rule.upstream_url)
        && source.registry_id != scope.registry_id
        && rule.custom_role_arn.is_none()
    {
        // [unknown] ECR's wording.
        return Err(invalid(
            "A custom role ARN is required when the upstream registry is in another account",
        ));
    }
    match &rule.credential_arn {
        Some(arn) => credentials::check(at, scope, arn),
        None => Ok(()),
    }
}

fn unsupported(message: &str) -> Error {
    Error::new(ErrorCode::UnsupportedUpstreamRegistryException, message)
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorCode::ValidationException, message)
}

/// [unknown] ECR's wording.
fn already_exists(scope: &Scope, prefix: &Prefix) -> Error {
    Error::new(
        ErrorCode::PullThroughCacheRuleAlreadyExistsException,
        format!(
            "The pull through cache rule with prefix '{prefix}' already exists in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
