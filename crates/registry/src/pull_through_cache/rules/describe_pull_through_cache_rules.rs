//! `DescribePullThroughCacheRules`: lists the rules of the named prefixes, or a page of all.

use std::collections::HashSet;

use ecru_model::{
    DescribePullThroughCacheRulesInput as Input, DescribePullThroughCacheRulesOutput as Output,
    PullThroughCacheRuleRepositoryPrefix as Prefix,
};
use ecru_platform::paging::{Listing, ROW_BYTES, Room};
use ecru_platform::{Page, paging};
use ecru_store::Snapshot;

use super::{Rule, key, list, load};
use crate::access::Access;
use crate::paging::refuse_paging;
use crate::{Context, Error};

pub async fn describe_pull_through_cache_rules(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribePullThroughCacheRules", input.registry_id.as_ref());
    let token = input.next_token.as_deref();
    let named = input.ecr_repository_prefixes.is_some();
    refuse_paging(named, "ecrRepositoryPrefixes", input.max_results, token)?;
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribePullThroughCacheRules",
        scope: &access.scope.clone(),
        of: "",
        filter: String::new(),
    };
    let after = listing.text_key(token)?;

    let registry_id = access.scope.registry_id.clone();
    let page = paging::read(&ctx.store, limit, move |at, room| {
        access.registry(at)?;
        match &input.ecr_repository_prefixes {
            Some(prefixes) => find_named(at, &access, prefixes, room),
            None => Ok(list(at, &access.scope, &after, room)?),
        }
    })
    .await?;

    let rules = page.items.into_iter().map(|rule| rule.describe(&registry_id));
    Ok(Output {
        pull_through_cache_rules: Some(rules.collect()),
        next_token: page.next.map(|key| listing.token(key.as_bytes())),
    })
}

/// A named prefix without a rule fails the whole call.
fn find_named(
    at: &Snapshot<'_>,
    access: &Access,
    prefixes: &[Prefix],
    room: &Room,
) -> Result<Page<Rule, String>, Error> {
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for prefix in prefixes.iter().filter(|prefix| seen.insert(key(prefix.as_str()))) {
        let rule = load(at, &access.scope, prefix)?;
        room.take_named(rule.text_bytes() + ROW_BYTES)?;
        items.push(rule);
    }
    Ok(Page { items, next: None })
}
