//! `/v2/_catalog` and `/v2/<name>/tags/list`: names in order, by page.

use ecru_registry::{images, repositories};
use http::response::Builder;
use http::{HeaderValue, Response, header};
use serde::Serialize;

use crate::codes::Place;
use crate::query::encode;
use crate::refusal::Refusal;
use crate::request::{self, Asked};
use crate::{Answer, answer};

#[derive(Serialize)]
struct Catalog {
    repositories: Vec<String>,
}

#[derive(Serialize)]
struct Tags<'a> {
    name: &'a str,
    tags: Vec<String>,
}

pub(crate) async fn catalog(asked: &Asked<'_>) -> Answer {
    let limit = asked.limit()?;
    let page = repositories::catalog(asked.ctx, limit, asked.last()?)
        .await
        .map_err(of_list)?;

    let next = page
        .next
        .map(|last| format!("_catalog?n={limit}&last={}", encode(&last)));
    answer::json(
        linked(asked, next)?,
        &Catalog {
            repositories: page.items,
        },
    )
}

pub(crate) async fn tags(asked: &Asked<'_>, name: &str) -> Answer {
    let repository = request::repository(name)?;
    let limit = asked.limit()?;
    let page = images::list_tags(asked.ctx, &repository, limit, asked.last()?)
        .await
        .map_err(of_list)?;

    // The specification requires an empty list without a next page for `n=0`.
    let next = page.next.filter(|_| limit > 0);
    let next = next.map(|last| format!("{repository}/tags/list?n={limit}&last={}", encode(&last)));
    answer::json(
        linked(asked, next)?,
        &Tags {
            name: repository.as_str(),
            tags: page.items,
        },
    )
}

fn linked(asked: &Asked<'_>, next: Option<String>) -> Result<Builder, Refusal> {
    let builder = Response::builder().header(header::CONTENT_TYPE, "application/json");
    match next {
        None => Ok(builder),
        Some(below) => Ok(builder.header(header::LINK, next_page(asked, &below)?)),
    }
}

pub(crate) fn next_page(asked: &Asked<'_>, below: &str) -> Result<HeaderValue, Refusal> {
    let address = asked.location(below)?;
    let address = address.to_str().map_err(|_| Refusal::internal())?;
    HeaderValue::try_from(format!("<{address}>; rel=\"next\"")).map_err(|_| Refusal::internal())
}

fn of_list(error: ecru_registry::Error) -> Refusal {
    Refusal::of(error, Place::List)
}
