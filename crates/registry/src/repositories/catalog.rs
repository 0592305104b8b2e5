//! `GET /v2/_catalog`: the names of a registry's repositories, in order.

use super::list;
use crate::context::Wanted;
use crate::{Context, Error, Page};

pub fn catalog(ctx: &Context, limit: u32, last: Option<&str>) -> Result<Page<String, String>, Error> {
    let scope = ctx.registry(None, Wanted::on_registry("DescribeRepositories"))?;

    let repositories = ctx
        .store
        .read(|at| Ok::<_, Error>(list(at, &scope, last.unwrap_or_default(), limit + 1)?))?;
    let names = repositories
        .iter()
        .map(|repository| repository.name.as_str().to_owned())
        .collect();

    Ok(Page::cut(names, limit, String::clone))
}
