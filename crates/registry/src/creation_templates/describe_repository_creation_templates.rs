//! `DescribeRepositoryCreationTemplates`: the templates of the named prefixes, or a page of all.

use std::collections::HashSet;

use ecru_model::{
    DescribeRepositoryCreationTemplatesInput as Input, DescribeRepositoryCreationTemplatesOutput as Output,
    Prefix,
};
use ecru_store::Snapshot;

use super::{Template, find, key, list};
use crate::access::Access;
use crate::paging::{self, Listing};
use crate::{Context, Error};

pub async fn describe_repository_creation_templates(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeRepositoryCreationTemplates", None);
    let token = input.next_token.as_deref();
    paging::refuse_paging(input.prefixes.is_some(), "prefixes", input.max_results, token)?;
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribeRepositoryCreationTemplates",
        scope: &access.scope,
        repository: "",
        filter: String::new(),
    };
    let after = listing.text_key(token)?;

    let found = ctx.store.read(|at| {
        access.registry(at)?;
        match &input.prefixes {
            Some(prefixes) => named(at, &access, prefixes),
            None => Ok(list(at, &access.scope, &after, limit + 1)?),
        }
    })?;

    // Those that are named fit into the answer together.
    let (page, last) = match input.prefixes {
        Some(_) => (found, None),
        None => paging::cut(found, limit),
    };
    Ok(Output {
        registry_id: Some(access.scope.registry_id.clone()),
        repository_creation_templates: Some(page.into_iter().map(Template::describe).collect()),
        next_token: last.map(|last| listing.token(key(last.prefix.as_str()).as_bytes())),
    })
}

/// Prefixes without a template are left out.
fn named(at: &Snapshot<'_>, access: &Access, prefixes: &[Prefix]) -> Result<Vec<Template>, Error> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for prefix in prefixes {
        if seen.insert(key(prefix.as_str())) {
            found.extend(find(at, &access.scope, key(prefix.as_str()))?);
        }
    }
    Ok(found)
}
