//! Lists: their page sizes, their markers, and a page under construction.

use ecru_platform::paging::{Listing, Page};
use ecru_store::stored;

use super::request::Request;
use crate::error::bad_marker;
use crate::generated::shapes::MarkerType;
use crate::{Context, Error};

/// The page size of keys, grants, aliases and tags if the request has no limit.
const LIMIT_DEFAULT: u32 = 100;

pub(crate) fn limit(given: Option<i32>) -> u32 {
    given
        .and_then(|given| u32::try_from(given).ok())
        .unwrap_or(LIMIT_DEFAULT)
}

/// A list that is ordered by a text. `of` is what it lists: a key, or nothing.
pub(crate) fn listing<'a>(
    ctx: &'a Context,
    request: &'a Request,
    of: &'a str,
    filter: String,
) -> Listing<'a> {
    Listing {
        keys: &ctx.keys,
        operation: request.operation,
        scope: &request.scope,
        of,
        filter,
    }
}

/// The text after which the page begins.
pub(crate) fn after(listing: &Listing<'_>, marker: Option<&MarkerType>) -> Result<String, Error> {
    listing
        .text_key(marker.map(MarkerType::as_str))
        .map_err(bad_marker)
}

/// The items of a page, the marker of the next one, and whether there is one.
pub(crate) type Answer<T> = (Vec<T>, Option<MarkerType>, bool);

pub(crate) fn answer<T>(listing: &Listing<'_>, page: Page<T, String>) -> Result<Answer<T>, Error> {
    let marker = page
        .next
        .map(|last| MarkerType::parse(listing.token(last.as_bytes())));
    let marker = stored(marker.transpose())?;
    let truncated = marker.is_some();
    Ok((page.items, marker, truncated))
}
