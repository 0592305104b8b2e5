//! Pages, alike in every list: `limit` and `after` in the query, `next` in the answer.

use ecru_platform::Page;
use ecru_platform::paging::Extent;
use serde::{Deserialize, Deserializer, de};

use crate::problem::Problem;

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1000;
const AFTER: Problem = Problem::constant("`after` must be the `next` of the previous page");

/// The parameters that every list takes.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Paging {
    /// The most entries of the page: by default 100 and never more than 1,000, or 10,000 below `/_fakecloud`.
    #[serde(default, deserialize_with = "limit")]
    #[cfg_attr(test, schemars(schema_with = "limit_schema"))]
    limit: Option<u32>,
    /// The `next` of the previous page.
    after: Option<String>,
}

impl Paging {
    pub(crate) fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX)
    }

    /// For lists with another greatest page, which is also the default.
    pub(crate) fn limit_within(&self, max: u32) -> u32 {
        self.limit.unwrap_or(max).min(max)
    }

    /// For lists in the order of a key of text.
    pub(crate) fn after(&self) -> String {
        self.after.clone().unwrap_or_default()
    }

    /// For lists in the order of row ids.
    pub(crate) fn extent(&self) -> Result<Extent, Problem> {
        self.extent_of(self.limit())
    }

    pub(crate) fn extent_within(&self, max: u32) -> Result<Extent, Problem> {
        self.extent_of(self.limit_within(max))
    }

    fn extent_of(&self, limit: u32) -> Result<Extent, Problem> {
        let after = self.after.as_deref().map_or(Ok(0), str::parse);
        Ok(Extent {
            after: after.map_err(|_| AFTER)?,
            limit,
        })
    }

    /// For lists in the order of several keys, which `/` joins.
    pub(crate) fn after_keys<const N: usize>(&self) -> Result<[String; N], Problem> {
        let mut keys = [(); N].map(|()| String::new());
        if let Some(after) = &self.after {
            let mut parts = after.splitn(N, '/');
            for key in &mut keys {
                parts.next().ok_or(AFTER)?.clone_into(key);
            }
        }
        Ok(keys)
    }
}

/// The entries of a page, and where the next one begins.
pub(crate) fn shown<T, K: ToString, S>(
    page: Page<T, K>,
    show: impl FnMut(T) -> S,
) -> (Vec<S>, Option<String>) {
    let next = page.next.map(|next| next.to_string());
    (page.items.into_iter().map(show).collect(), next)
}

/// Every value of a query is text.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse() {
        Ok(limit) if limit > 0 => Ok(Some(limit)),
        _ => Err(de::Error::custom("`limit` is a number from 1 up")),
    }
}

#[cfg(test)]
fn limit_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "minimum": 1 })
}
