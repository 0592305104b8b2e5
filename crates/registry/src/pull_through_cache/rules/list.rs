//! Lists the rules of every registry, for introspection.

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_platform::paging::Filling;
use ecru_platform::{Page, paging};
use ecru_store::{Row, StoreError, Value, stored};

use crate::{Error, Service};

/// A rule as introspection shows it.
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
    /// The prefix under which it is stored.
    key: String,
}

/// A page of rules in the order of account, region and prefix, from the one after `after`.
pub async fn list_rules(
    service: &Service,
    after: [String; 3],
    limit: u32,
) -> Result<Page<ListedRule, [String; 3]>, Error> {
    paging::read_elsewhere(&service.store, limit, move |at, room| {
        let [account, region, prefix] = after.each_ref().map(|key| Value::Text(key));
        let mut filling = Filling::new(room);
        at.each(
            "SELECT account, region, given_prefix, upstream_url, upstream_registry, credential_arn,
                    custom_role_arn, created_at, updated_at, prefix
             FROM pull_through_cache_rules WHERE (account, region, prefix) > (?1, ?2, ?3)
             ORDER BY account, region, prefix LIMIT ?4",
            &[
                account,
                region,
                prefix,
                Value::Integer(i64::from(room.rows()) + 1),
            ],
            &mut |row| {
                let rule = ListedRule::from_row(row)?;
                Ok(filling.push(rule.text_bytes(), rule))
            },
        )?;
        Ok(filling.page_by(|last| {
            let Scope { registry_id, region } = &last.scope;
            [registry_id.as_str(), region.as_str(), &last.key].map(str::to_owned)
        }))
    })
    .await
}

impl ListedRule {
    fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        let optional = |index| Ok::<_, StoreError>(row.optional_text(index)?.map(str::to_owned));
        Ok(Self {
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
            key: row.text(9)?.to_owned(),
        })
    }

    fn text_bytes(&self) -> usize {
        let optional = [
            &self.upstream_registry,
            &self.credential_arn,
            &self.custom_role_arn,
        ];
        let optional = optional.into_iter().flatten().map(String::len).sum::<usize>();
        self.prefix.len() + self.upstream_url.len() + optional
    }
}
