//! `GET /v2/_catalog`: the names of a registry's repositories, in order.

use super::list;
use crate::{Context, Error, Page};

pub fn catalog(ctx: &Context, limit: u32, last: Option<&str>) -> Result<Page<String, String>, Error> {
    let access = ctx.access("DescribeRepositories", None);

    let repositories = ctx.store.read(|at| {
        access.every_repository(at)?;
        Ok::<_, Error>(list(at, &access.scope, last.unwrap_or_default(), limit + 1)?)
    })?;
    let names = repositories
        .iter()
        .map(|repository| repository.name.as_str().to_owned())
        .collect();

    Ok(Page::cut(names, limit, String::clone))
}
