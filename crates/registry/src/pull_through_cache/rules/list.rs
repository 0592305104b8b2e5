//! The rules of every registry, for introspection.

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_store::Value;

use crate::repositories::stored;
use crate::{Error, Service};

/// What introspection says of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRule {
    pub scope: Scope,
    pub prefix: String,
    pub upstream_url: String,
    pub upstream_registry: Option<String>,
    pub credential_arn: Option<String>,
    pub custom_role_arn: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// At most `limit` of them.
pub async fn list_rules(service: &Service, limit: u32) -> Result<Vec<ListedRule>, Error> {
    service
        .store
        .read_many(move |at| {
            let found = at.query(
                "SELECT account, region, given_prefix, upstream_url, upstream_registry, credential_arn,
                        custom_role_arn, created_at, updated_at
                 FROM pull_through_cache_rules ORDER BY account, region, prefix LIMIT ?1",
                &[Value::Integer(limit.into())],
                |row| {
                    let optional = |index| Ok(row.optional_text(index)?.map(str::to_owned));
                    Ok(ListedRule {
                        scope: Scope {
                            registry_id: stored(RegistryId::parse(row.text(0)?))?,
                            region: stored(Region::parse(row.text(1)?))?,
                        },
                        prefix: row.text(2)?.to_owned(),
                        upstream_url: row.text(3)?.to_owned(),
                        upstream_registry: optional(4)?,
                        credential_arn: optional(5)?,
                        custom_role_arn: optional(6)?,
                        created_at: Timestamp::from_millis(row.integer(7)?),
                        updated_at: Timestamp::from_millis(row.integer(8)?),
                    })
                },
            );
            Ok::<_, Error>(found?)
        })
        .await
}
