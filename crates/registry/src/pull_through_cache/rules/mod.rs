//! The rules of the cache: each maps a prefix of names to an upstream registry.

mod create_pull_through_cache_rule;
mod delete_pull_through_cache_rule;
mod describe_pull_through_cache_rules;
mod kind;
mod list;
mod prefix;
mod update_pull_through_cache_rule;
mod validate_pull_through_cache_rule;

use ecru_model::identity::is_role_of;
use ecru_model::{
    CredentialArn, CustomRoleArn, ErrorCode, PullThroughCacheRule,
    PullThroughCacheRuleRepositoryPrefix as Prefix, RegistryId, RepositoryName, Scope, Timestamp,
    UpstreamRegistry,
};
use ecru_platform::Page;
use ecru_platform::paging::{Filling, Room};
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};

use crate::Error;
use crate::quotas::{Held, Quota};

pub use create_pull_through_cache_rule::create_pull_through_cache_rule;
pub use delete_pull_through_cache_rule::delete_pull_through_cache_rule;
pub use describe_pull_through_cache_rules::describe_pull_through_cache_rules;
pub(crate) use kind::private_registry;
pub use list::{ListedRule, list_rules};
pub(crate) use prefix::upstream_name;
pub use update_pull_through_cache_rule::update_pull_through_cache_rule;
pub use validate_pull_through_cache_rule::validate_pull_through_cache_rule;

use prefix::{ROOT, candidates, key};

const HELD: Held = Held {
    quota: Quota::PullThroughCacheRulesPerRegistry,
    things: "pull through cache rules",
    counter: "pull-through-cache-rules",
};

/// A rule as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// As the client sent it.
    pub(crate) prefix: Prefix,
    pub(crate) upstream_url: String,
    /// None for a registry that the operator of this server named.
    pub(crate) upstream_registry: Option<UpstreamRegistry>,
    pub(crate) upstream_prefix: Prefix,
    pub(crate) credential_arn: Option<CredentialArn>,
    pub(crate) custom_role_arn: Option<CustomRoleArn>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

const FIND: &str =
    "SELECT given_prefix, upstream_url, upstream_registry, upstream_prefix, credential_arn, custom_role_arn,
            created_at, updated_at
     FROM pull_through_cache_rules WHERE account = ?1 AND region = ?2 AND prefix = ?3";

const LIST: &str = "SELECT given_prefix, upstream_url, upstream_registry, upstream_prefix, credential_arn, custom_role_arn,
            created_at, updated_at
     FROM pull_through_cache_rules WHERE account = ?1 AND region = ?2 AND prefix > ?3 ORDER BY prefix LIMIT ?4";

/// The rule that covers a repository.
pub(crate) fn find_covering(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &RepositoryName,
) -> Result<Option<Rule>, StoreError> {
    for prefix in candidates(name.as_str()) {
        if let Some(rule) = find(at, scope, prefix)? {
            return Ok(Some(rule));
        }
    }
    Ok(None)
}

fn find(at: &Snapshot<'_>, scope: &Scope, key: &str) -> Result<Option<Rule>, StoreError> {
    let key = [scope.registry_id.as_str(), scope.region.as_str(), key].map(Value::Text);
    at.find(FIND, &key, Rule::from_row)
}

fn load(at: &Snapshot<'_>, scope: &Scope, prefix: &Prefix) -> Result<Rule, Error> {
    find(at, scope, key(prefix.as_str()))?.ok_or_else(|| not_found(scope, prefix))
}

/// At most `limit` rules in the order of their prefixes, from the one after `after`.
fn list(
    at: &Snapshot<'_>,
    scope: &Scope,
    after: &str,
    room: &Room,
) -> Result<Page<Rule, String>, StoreError> {
    let parameters = [
        Value::Text(scope.registry_id.as_str()),
        Value::Text(scope.region.as_str()),
        Value::Text(after),
        Value::Integer(i64::from(room.rows()) + 1),
    ];
    let mut filling = Filling::new(room);
    at.each(LIST, &parameters, &mut |row| {
        let rule = Rule::from_row(row)?;
        Ok(filling.push(rule.text_bytes(), rule))
    })?;
    Ok(filling.page_by(|last| key(last.prefix.as_str()).to_owned()))
}

/// The cache acts as this role, so the account of the rule must own it.
fn check_role(scope: &Scope, role: Option<&CustomRoleArn>) -> Result<(), Error> {
    match role {
        Some(role) if !is_role_of(scope, role.as_str()) => Err(foreign_role()),
        _ => Ok(()),
    }
}

/// [unknown] ECR's wording.
fn foreign_role() -> Error {
    Error::parameter(
        "customRoleArn",
        "The custom role must be a role of the account and partition of the registry",
    )
}

fn save(tx: &Tx<'_>, scope: &Scope, rule: &Rule) -> Result<(), StoreError> {
    let parameters = [
        Value::Text(scope.registry_id.as_str()),
        Value::Text(scope.region.as_str()),
        Value::Text(key(rule.prefix.as_str())),
        Value::Text(rule.prefix.as_str()),
        Value::Text(&rule.upstream_url),
        Value::from(rule.upstream_registry.map(UpstreamRegistry::as_str)),
        Value::Text(rule.upstream_prefix.as_str()),
        Value::from(rule.credential_arn.as_ref().map(CredentialArn::as_str)),
        Value::from(rule.custom_role_arn.as_ref().map(CustomRoleArn::as_str)),
        Value::Integer(rule.created_at.as_millis()),
        Value::Integer(rule.updated_at.as_millis()),
    ];
    tx.execute(
        "INSERT INTO pull_through_cache_rules (account, region, prefix, given_prefix, upstream_url, upstream_registry,
             upstream_prefix, credential_arn, custom_role_arn, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (account, region, prefix) DO UPDATE SET credential_arn = excluded.credential_arn,
             custom_role_arn = excluded.custom_role_arn, updated_at = excluded.updated_at",
        &parameters,
    )?;
    Ok(())
}

fn remove(tx: &Tx<'_>, scope: &Scope, prefix: &Prefix) -> Result<(), StoreError> {
    let key = [
        scope.registry_id.as_str(),
        scope.region.as_str(),
        key(prefix.as_str()),
    ]
    .map(Value::Text);
    let removed = tx.execute(
        "DELETE FROM pull_through_cache_rules WHERE account = ?1 AND region = ?2 AND prefix = ?3",
        &key,
    )?;
    if removed == 1 {
        HELD.give_back(tx, scope)?;
    }
    Ok(())
}

pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM pull_through_cache_rules WHERE account = ?1 OR ?1 IS NULL",
        &[Value::from(account)],
    )?;
    Ok(())
}

/// Whether any registry has a rule.
pub(crate) fn are_there(at: &Snapshot<'_>) -> Result<bool, StoreError> {
    let one = at.find("SELECT 1 FROM pull_through_cache_rules LIMIT 1", &[], |row| {
        row.integer(0)
    })?;
    Ok(one.is_some())
}

impl Rule {
    fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        let optional = |index| Ok::<_, StoreError>(row.optional_text(index)?.map(str::to_owned));
        Ok(Self {
            prefix: stored(Prefix::parse(row.text(0)?))?,
            upstream_url: row.text(1)?.to_owned(),
            upstream_registry: optional(2)?
                .map(|text| stored(UpstreamRegistry::parse(&text)))
                .transpose()?,
            upstream_prefix: stored(Prefix::parse(row.text(3)?))?,
            credential_arn: optional(4)?
                .map(|text| stored(CredentialArn::parse(text)))
                .transpose()?,
            custom_role_arn: optional(5)?
                .map(|text| stored(CustomRoleArn::parse(text)))
                .transpose()?,
            created_at: Timestamp::from_millis(row.integer(6)?),
            updated_at: Timestamp::from_millis(row.integer(7)?),
        })
    }

    fn text_bytes(&self) -> usize {
        let credential = self.credential_arn.as_ref().map_or(0, |arn| arn.as_str().len());
        let role = self.custom_role_arn.as_ref().map_or(0, |arn| arn.as_str().len());
        let prefixes = self.prefix.as_str().len() + self.upstream_prefix.as_str().len();
        prefixes + self.upstream_url.len() + credential + role
    }

    /// The rule in the form of ECR's descriptions.
    fn describe(self, registry_id: &RegistryId) -> PullThroughCacheRule {
        PullThroughCacheRule {
            ecr_repository_prefix: Some(self.prefix),
            upstream_registry_url: Some(self.upstream_url),
            created_at: Some(self.created_at),
            registry_id: Some(registry_id.clone()),
            credential_arn: self.credential_arn,
            custom_role_arn: self.custom_role_arn,
            upstream_repository_prefix: Some(self.upstream_prefix),
            upstream_registry: self.upstream_registry,
            updated_at: Some(self.updated_at),
        }
    }
}

/// [unknown] ECR's wording.
fn not_found(scope: &Scope, prefix: &Prefix) -> Error {
    Error::new(
        ErrorCode::PullThroughCacheRuleNotFoundException,
        format!(
            "The pull through cache rule with prefix '{prefix}' does not exist in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
