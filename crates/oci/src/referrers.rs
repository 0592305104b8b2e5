//! `/v2/<name>/referrers/<digest>`: the manifests whose subject is a digest, as an image index.

use std::collections::BTreeMap;

use ecru_model::ErrorCode;
use ecru_registry::Page;
use ecru_registry::images::{self, ReferrersOf};
use http::{Response, header};
use serde::Serialize;

use crate::codes::Place;
use crate::lists::next_page;
use crate::query::encode;
use crate::refusal::Refusal;
use crate::request::{self, Asked};
use crate::{Answer, answer};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

pub(crate) fn list(asked: &Asked<'_>, name: &str, digest: &str) -> Answer {
    let repository = request::repository(name)?;
    let subject = request::digest(digest)?;
    let limit = asked.limit()?.max(1);
    let after = after(asked)?;
    let artifact_type = asked.query.find("artifactType");

    let wanted = ReferrersOf::pullable(subject, artifact_type);
    let page = match images::list_referrers_of(asked.ctx, &repository, &wanted, after, limit) {
        Ok(page) => page,
        // A client takes 404 to mean that referrers are kept under tags, so the specification forbids it here.
        Err(error) if error.code == ErrorCode::RepositoryNotFoundException => Page {
            items: Vec::new(),
            next: None,
        },
        Err(error) => return Err(Refusal::of(error, Place::List)),
    };

    let mut builder = Response::builder().header(header::CONTENT_TYPE, INDEX);
    if artifact_type.is_some() {
        builder = builder.header(answer::FILTERS_APPLIED, "artifactType");
    }
    if let Some(next) = page.next {
        let filter = artifact_type
            .map(|wanted| format!("&artifactType={}", encode(wanted)))
            .unwrap_or_default();
        let below = format!("{repository}/referrers/{subject}?n={limit}&last={next}{filter}");
        builder = builder.header(header::LINK, next_page(asked, &below)?);
    }
    let described = page.items.into_iter().map(|referrer| Descriptor {
        media_type: referrer.media_type,
        digest: referrer.digest.to_string(),
        size: referrer.size,
        artifact_type: referrer.artifact_type,
        annotations: referrer.annotations,
    });
    let manifests = described.collect();
    answer::json(
        builder,
        &Index {
            schema_version: 2,
            media_type: INDEX,
            manifests,
        },
    )
}

/// Where the last page ended, as its `Link` said.
fn after(asked: &Asked<'_>) -> Result<i64, Refusal> {
    match asked.query.find("last") {
        None => Ok(0),
        Some(last) => last
            .parse()
            .ok()
            .filter(|last| *last >= 0)
            .ok_or_else(|| Refusal::unsupported("`last` is not one of a page of referrers")),
    }
}
