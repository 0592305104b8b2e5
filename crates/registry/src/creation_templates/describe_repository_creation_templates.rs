//! `DescribeRepositoryCreationTemplates`: lists the templates of the named prefixes, or a page of all.

use std::collections::HashSet;

use ecru_model::{
    DescribeRepositoryCreationTemplatesInput as Input, DescribeRepositoryCreationTemplatesOutput as Output,
    Prefix,
};
use ecru_platform::paging::{Listing, ROW_BYTES, Room};
use ecru_platform::{Page, paging};
use ecru_store::Snapshot;

use super::{Template, find, key, list};
use crate::access::Access;
use crate::paging::refuse_paging;
use crate::{Context, Error};

pub async fn describe_repository_creation_templates(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeRepositoryCreationTemplates", None);
    let token = input.next_token.as_deref();
    refuse_paging(input.prefixes.is_some(), "prefixes", input.max_results, token)?;
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribeRepositoryCreationTemplates",
        scope: &access.scope.clone(),
        of: "",
        filter: String::new(),
    };
    let after = listing.text_key(token)?;

    let registry_id = access.scope.registry_id.clone();
    let page = paging::read(&ctx.store, limit, move |at, room| {
        access.registry(at)?;
        match &input.prefixes {
            Some(prefixes) => named(at, &access, prefixes, room),
            None => Ok(list(at, &access.scope, &after, room)?),
        }
    })
    .await?;

    Ok(Output {
        registry_id: Some(registry_id),
        repository_creation_templates: Some(page.items.into_iter().map(Template::describe).collect()),
        next_token: page.next.map(|key| listing.token(key.as_bytes())),
    })
}

/// Leaves out prefixes without a template.
fn named(
    at: &Snapshot<'_>,
    access: &Access,
    prefixes: &[Prefix],
    room: &Room,
) -> Result<Page<Template, String>, Error> {
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for prefix in prefixes {
        if seen.insert(key(prefix.as_str()))
            && let Some(template) = find(at, &access.scope, key(prefix.as_str()))?
        {
            room.take_named(template.text_bytes() + ROW_BYTES)?;
            items.push(template);
        }
    }
    Ok(Page { items, next: None })
}
