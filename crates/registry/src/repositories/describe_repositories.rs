//! `DescribeRepositories`: the named repositories, or a page of all repositories.

use ecru_model::{DescribeRepositoriesInput as Input, DescribeRepositoriesOutput as Output, RepositoryName};
use ecru_platform::paging;
use ecru_platform::paging::{Listing, ROW_BYTES};

use crate::access::Access;
use crate::paging::refuse_paging;
use crate::records::repositories::{Repository, list};
use crate::{Context, Error};

pub async fn describe_repositories(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeRepositories", input.registry_id.as_ref());
    let token = input.next_token.as_deref();

    refuse_paging(
        input.repository_names.is_some(),
        "repositoryNames",
        input.max_results,
        token,
    )?;

    match input.repository_names {
        Some(names) => describe_named(ctx, access, names).await,
        None => describe_page(ctx, access, paging::limit(input.max_results), token).await,
    }
}

async fn describe_named(ctx: &Context, access: Access, names: Vec<RepositoryName>) -> Result<Output, Error> {
    let repositories = paging::read(&ctx.store, 0, move |at, room| {
        let mut found = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            if names.iter().take(place).any(|before| before == name) {
                continue;
            }
            let repository = access.repository(at, name)?;
            room.take_named(repository.text_bytes() + ROW_BYTES)?;
            found.push(repository);
        }
        Ok::<_, Error>(found)
    })
    .await?;
    Ok(output(ctx, &repositories, None))
}

async fn describe_page(
    ctx: &Context,
    access: Access,
    limit: u32,
    token: Option<&str>,
) -> Result<Output, Error> {
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribeRepositories",
        scope: &access.scope.clone(),
        of: "",
        filter: String::new(),
    };
    let after = listing.text_key(token)?;

    let page = paging::read(&ctx.store, limit, move |at, room| {
        access.every_repository(at)?;
        Ok::<_, Error>(list(at, &access.scope, &after, room)?)
    })
    .await?;
    let next_token = page.next.map(|name| listing.token(name.as_bytes()));
    Ok(output(ctx, &page.items, next_token))
}

fn output(ctx: &Context, repositories: &[Repository], next_token: Option<String>) -> Output {
    let described = repositories.iter().map(|repository| repository.describe(ctx));
    Output {
        repositories: Some(described.collect()),
        next_token,
    }
}
