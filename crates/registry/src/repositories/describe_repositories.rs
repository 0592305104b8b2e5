//! `DescribeRepositories`: the named repositories, or a page of all.

use ecru_model::{DescribeRepositoriesInput as Input, DescribeRepositoriesOutput as Output, RepositoryName};

use super::list;
use crate::access::Access;
use crate::paging::{self, Listing};
use crate::{Context, Error};

pub async fn describe_repositories(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeRepositories", input.registry_id.as_ref());
    let token = input.next_token.as_deref();

    paging::refuse_paging(
        input.repository_names.is_some(),
        "repositoryNames",
        input.max_results,
        token,
    )?;

    match input.repository_names {
        Some(names) => describe_named(ctx, &access, &names),
        None => describe_page(ctx, &access, paging::limit(input.max_results), token),
    }
}

fn describe_named(ctx: &Context, access: &Access, names: &[RepositoryName]) -> Result<Output, Error> {
    let mut distinct = Vec::with_capacity(names.len());
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    let repositories = ctx.store.read(|at| {
        distinct
            .iter()
            .map(|name| Ok(access.repository(at, name)?.describe(ctx)))
            .collect::<Result<Vec<_>, Error>>()
    })?;
    Ok(Output {
        repositories: Some(repositories),
        next_token: None,
    })
}

fn describe_page(ctx: &Context, access: &Access, limit: u32, token: Option<&str>) -> Result<Output, Error> {
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribeRepositories",
        scope: &access.scope,
        repository: "",
        filter: String::new(),
    };
    let after = listing.text_key(token)?;

    let repositories = ctx.store.read(|at| {
        access.every_repository(at)?;
        Ok::<_, Error>(list(at, &access.scope, &after, limit + 1)?)
    })?;
    let (page, last) = paging::cut(repositories, limit);
    let next_token = last.map(|last| listing.token(last.name.as_str().as_bytes()));

    let repositories = page.iter().map(|repository| repository.describe(ctx)).collect();
    Ok(Output {
        repositories: Some(repositories),
        next_token,
    })
}
