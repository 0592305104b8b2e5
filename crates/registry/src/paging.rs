//! Pages by key: a `nextToken` carries the last key of its page and a MAC over where it belongs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecru_model::{ErrorCode, Scope};

use crate::Error;
use crate::mac::{Keys, Purpose, TAG_BYTES};

const VERSION: u8 = 1;

/// What a `maxResults` that is not given stands for.
pub(crate) const PAGE_DEFAULT: u32 = 100;

/// A page of a list: `next` is the key after which the next one begins, absent on the last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K> {
    pub items: Vec<T>,
    pub next: Option<K>,
}

/// The list that a token belongs to: one issued elsewhere, or under another filter, is not one of ours.
pub(crate) struct Listing<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) operation: &'static str,
    pub(crate) scope: &'a Scope,
    pub(crate) repository: &'a str,
    pub(crate) filter: String,
}

impl Listing<'_> {
    pub(crate) fn token(&self, key: &[u8]) -> String {
        let tag = self.keys.sign(Purpose::NextToken, &self.parts(key));
        let mut bytes = Vec::with_capacity(1 + key.len() + TAG_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key after which the page begins.
    pub(crate) fn key(&self, token: &str) -> Result<Vec<u8>, Error> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| not_ours())?;
        let (version, rest) = bytes.split_first().ok_or_else(not_ours)?;
        let split = rest.len().checked_sub(TAG_BYTES).ok_or_else(not_ours)?;
        let (key, tag) = rest.split_at(split);
        if *version != VERSION || !self.keys.verify(Purpose::NextToken, &self.parts(key), tag) {
            return Err(not_ours());
        }
        Ok(key.to_vec())
    }

    pub(crate) fn integer_key(&self, token: Option<&str>) -> Result<i64, Error> {
        let Some(token) = token else { return Ok(0) };
        let bytes = self.key(token)?.try_into().map_err(|_| not_ours())?;
        Ok(i64::from_be_bytes(bytes))
    }

    pub(crate) fn text_key(&self, token: Option<&str>) -> Result<String, Error> {
        let Some(token) = token else {
            return Ok(String::new());
        };
        String::from_utf8(self.key(token)?).map_err(|_| not_ours())
    }

    fn parts<'a>(&'a self, key: &'a [u8]) -> [&'a [u8]; 6] {
        [
            self.operation.as_bytes(),
            self.scope.registry_id.as_str().as_bytes(),
            self.scope.region.as_str().as_bytes(),
            self.repository.as_bytes(),
            self.filter.as_bytes(),
            key,
        ]
    }
}

pub(crate) fn not_ours() -> Error {
    Error::new(
        ErrorCode::InvalidContinuationTokenException,
        "Invalid parameter at 'nextToken' failed to satisfy constraint: 'must be a token returned by this operation'",
    )
}

/// Paging and naming the wanted things exclude each other.
pub(crate) fn refuse_paging(
    named: bool,
    names_member: &str,
    max_results: Option<i32>,
    next_token: Option<&str>,
) -> Result<(), Error> {
    if !named {
        return Ok(());
    }
    let member = match (next_token, max_results) {
        (Some(_), _) => "nextToken",
        (None, Some(_)) => "maxResults",
        (None, None) => return Ok(()),
    };
    Err(Error::parameter(
        member,
        &format!("must not be set together with {names_member}"),
    ))
}

/// The page size that a request means; the model has checked its range.
pub(crate) fn limit(max_results: Option<i32>) -> u32 {
    max_results
        .and_then(|given| u32::try_from(given).ok())
        .unwrap_or(PAGE_DEFAULT)
}

/// Rows were read one beyond the page: the page itself, and its last row when more follow.
pub(crate) fn cut<T: Clone>(mut rows: Vec<T>, limit: u32) -> (Vec<T>, Option<T>) {
    let limit = limit as usize;
    if rows.len() <= limit {
        return (rows, None);
    }
    rows.truncate(limit);
    let last = rows.last().cloned();
    (rows, last)
}

impl<T: Clone, K> Page<T, K> {
    /// A page of rows that were read one beyond it, with the key of its last row when more follow.
    pub(crate) fn cut(rows: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Self {
        let (items, last) = cut(rows, limit);
        Self {
            items,
            next: last.as_ref().map(key),
        }
    }
}
