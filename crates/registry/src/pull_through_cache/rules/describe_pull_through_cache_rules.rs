//! `DescribePullThroughCacheRules`: the rules of the named prefixes, or a page of all.

use std::collections::HashSet;

use ecru_model::{
    DescribePullThroughCacheRulesInput as Input, DescribePullThroughCacheRulesOutput as Output,
    PullThroughCacheRuleRepositoryPrefix as Prefix,
};
use ecru_store::Snapshot;

use super::{Rule, key, list, load};
use crate::access::Access;
use crate::paging::{self, Listing};
use crate::{Context, Error};

pub async fn describe_pull_through_cache_rules(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribePullThroughCacheRules", input.registry_id.as_ref());
    let token = input.next_token.as_deref();
    let named = input.ecr_repository_prefixes.is_some();
    paging::refuse_paging(named, "ecrRepositoryPrefixes", input.max_results, token)?;
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribePullThroughCacheRules",
        scope: &access.scope,
        repository: "",
        filter: String::new(),
    };
    let after = listing.text_key(token)?;

    let found = ctx.store.read(|at| {
        access.registry(at)?;
        match &input.ecr_repository_prefixes {
            Some(prefixes) => find_named(at, &access, prefixes),
            None => Ok(list(at, &access.scope, &after, limit + 1)?),
        }
    })?;

    // Those that are named fit into the answer together.
    let (page, last) = if named {
        (found, None)
    } else {
        paging::cut(found, limit)
    };
    let rules = page
        .into_iter()
        .map(|rule| rule.describe(&access.scope.registry_id));
    Ok(Output {
        pull_through_cache_rules: Some(rules.collect()),
        next_token: last.map(|last| listing.token(key(last.prefix.as_str()).as_bytes())),
    })
}

/// One prefix without a rule fails the whole call.
fn find_named(at: &Snapshot<'_>, access: &Access, prefixes: &[Prefix]) -> Result<Vec<Rule>, Error> {
    let mut seen = HashSet::new();
    let distinct = prefixes.iter().filter(|prefix| seen.insert(key(prefix.as_str())));
    distinct.map(|prefix| load(at, &access.scope, prefix)).collect()
}
