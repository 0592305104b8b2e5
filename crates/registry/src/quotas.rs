//! The service quotas: how many of each thing may exist. The defaults are those of the service.

use std::str::FromStr;

use ecru_model::{ErrorCode, Scope};
use ecru_store::{StoreError, Tx, Value};

use crate::Error;

/// A maximum that an operation must not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    RepositoriesPerRegistry,
    ImagesPerRepository,
    TagsPerImage,
    /// Parts of one upload through the JSON API.
    LayerParts,
    LayerBytes,
    /// Unfinished uploads.
    UploadsPerRepository,
    PullTimeExclusionsPerRegistry,
    CreationTemplatesPerRegistry,
    PullThroughCacheRulesPerRegistry,
}

/// Every quota in the order of its variants: its name and its default.
const TABLE: [(Quota, &str, i64); 9] = [
    (
        Quota::RepositoriesPerRegistry,
        "repositories-per-registry",
        100_000,
    ),
    (Quota::ImagesPerRepository, "images-per-repository", 100_000),
    (Quota::TagsPerImage, "tags-per-image", 1_000),
    (Quota::LayerParts, "layer-parts", 4_200),
    (Quota::LayerBytes, "layer-bytes", 52_000 * 1024 * 1024),
    // [unknown] in the service's documents.
    (Quota::UploadsPerRepository, "uploads-per-repository", 10_000),
    (
        Quota::PullTimeExclusionsPerRegistry,
        "pull-time-exclusions-per-registry",
        100,
    ),
    // [unknown] in the service's documents.
    (
        Quota::CreationTemplatesPerRegistry,
        "creation-templates-per-registry",
        500,
    ),
    (
        Quota::PullThroughCacheRulesPerRegistry,
        "pull-through-cache-rules-per-registry",
        50,
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas([i64; TABLE.len()]);

/// A kind of thing of which a registry holds a limited number. The number is kept in a row, since counting
/// the things would cost more with each of them.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) quota: Quota,
    /// The name in the sentence of the refusal.
    pub(crate) things: &'static str,
    /// The name in the rows of counters.
    pub(crate) counter: &'static str,
}

impl Held {
    /// Counts one less.
    pub(crate) fn give_back(&self, tx: &Tx<'_>, scope: &Scope) -> Result<(), StoreError> {
        let [account, region, counter] = self.key(scope);
        tx.execute(
            "UPDATE registry_counters SET held = held - 1
             WHERE account = ?1 AND region = ?2 AND thing = ?3 AND held > 0",
            &[account, region, counter],
        )
        .map(drop)
    }

    fn key<'a>(&self, scope: &'a Scope) -> [Value<'a>; 3] {
        [scope.registry_id.as_str(), scope.region.as_str(), self.counter].map(Value::Text)
    }
}

/// Deletes all counters of one account, or of all.
pub(crate) fn forget_counters(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM registry_counters WHERE account = ?1 OR ?1 IS NULL",
        &[Value::from(account)],
    )
    .map(drop)
}

/// A quota and its new value, written `<name>=<number>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaSetting {
    quota: Quota,
    value: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuota {
    #[error("a quota is set as `<name>=<number>`, with a number from 1 up")]
    Form,
    #[error("the quotas are {}", TABLE.map(|(_, name, _)| name).join(", "))]
    Name,
}

impl Quotas {
    pub fn of(&self, quota: Quota) -> i64 {
        self.0.get(quota as usize).copied().unwrap_or_default()
    }

    /// The same as an unsigned number.
    pub(crate) fn count(&self, quota: Quota) -> u64 {
        self.of(quota).unsigned_abs()
    }

    /// Counts one more, unless the registry already holds the maximum.
    pub(crate) fn take(&self, tx: &Tx<'_>, scope: &Scope, held: &Held) -> Result<(), Error> {
        let max = self.of(held.quota);
        let [account, region, counter] = held.key(scope);
        let changed = tx.execute(
            "INSERT INTO registry_counters (account, region, thing, held) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT (account, region, thing) DO UPDATE SET held = registry_counters.held + 1
                 WHERE registry_counters.held < ?4",
            &[account, region, counter, Value::Integer(max)],
        )?;
        match changed {
            1 => Ok(()),
            _ => Err(Error::new(
                ErrorCode::LimitExceededException,
                format!(
                    "The registry with id '{}' already has the maximum allowed number of {} which is '{max}'",
                    scope.registry_id, held.things
                ),
            )),
        }
    }

    #[must_use]
    pub fn with(mut self, setting: QuotaSetting) -> Self {
        if let Some(value) = self.0.get_mut(setting.quota as usize) {
            *value = setting.value;
        }
        self
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self(TABLE.map(|(_, _, value)| value))
    }
}

impl FromStr for QuotaSetting {
    type Err = InvalidQuota;

    fn from_str(text: &str) -> Result<Self, InvalidQuota> {
        let (name, number) = text.split_once('=').ok_or(InvalidQuota::Form)?;
        let known = TABLE.iter().find(|(_, known, _)| *known == name);
        let (quota, _, _) = known.ok_or(InvalidQuota::Name)?;
        match number.parse() {
            Ok(value) if value >= 1 => Ok(Self { quota: *quota, value }),
            _ => Err(InvalidQuota::Form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_has_its_place_in_the_table() {
        for (at, (quota, name, value)) in TABLE.into_iter().enumerate() {
            assert_eq!(quota as usize, at, "{name}");
            assert_eq!(Quotas::default().of(quota), value, "{name}");
        }
    }

    #[test]
    fn a_quota_that_is_set_is_that_number_and_the_others_stay() {
        let quotas = Quotas::default().with("layer-parts=3".parse().unwrap());
        assert_eq!(quotas.of(Quota::LayerParts), 3);
        assert_eq!(quotas.of(Quota::TagsPerImage), 1_000);
    }

    #[test]
    fn settings_that_are_none_are_refused() {
        let cases = [
            ("layer-parts", InvalidQuota::Form),
            ("layer-parts=", InvalidQuota::Form),
            ("layer-parts=0", InvalidQuota::Form),
            ("layer-parts=-1", InvalidQuota::Form),
            ("layer-parts=9223372036854775808", InvalidQuota::Form),
            ("layers=1", InvalidQuota::Name),
            ("=1", InvalidQuota::Name),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<QuotaSetting>(), Err(error), "{text}");
        }
        assert!(
            InvalidQuota::Name
                .to_string()
                .contains("images-per-repository, tags-per-image")
        );
    }
}
