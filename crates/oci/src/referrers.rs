//! `/v2/<name>/referrers/<digest>`: the manifests whose subject is a digest, as an image index.

use ecru_model::ErrorCode;
use ecru_platform::Page;
use ecru_registry::images::{self, Referrer, ReferrersOf};
use http::{Response, header};
use serde::Serialize;

use crate::codes::Place;
use crate::lists::next_page;
use crate::query::encode;
use crate::refusal::Refusal;
use crate::request::{self, Asked};
use crate::{Answer, Body, answer};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The usual size of a descriptor without its annotations.
const DESCRIPTOR_BYTES: usize = 512;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: String,
    size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
}

pub(crate) async fn list(asked: &Asked<'_>, name: &str, digest: &str) -> Answer {
    let repository = request::repository(name)?;
    let subject = request::digest(digest)?;
    let limit = asked.limit()?.max(1);
    let after = after(asked)?;
    let artifact_type = asked.query.find("artifactType");

    let wanted = ReferrersOf::pullable(subject, artifact_type);
    let page = match images::list_referrers_of(asked.ctx, &repository, wanted, after, limit).await {
        Ok(page) => page,
        // A client takes 404 to mean that referrers are stored under tags, so the specification forbids it
        // here.
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
    let index = print(&page.items).map_err(|_| Refusal::internal())?;
    answer::with_body(builder, Body::Bytes(index.into()))
}

/// Prints an image index. Annotations are already the text of a JSON object, which may be as long as a
/// manifest. They are inserted as they are.
fn print(referrers: &[Referrer]) -> Result<Vec<u8>, serde_json::Error> {
    let annotations = referrers
        .iter()
        .filter_map(|referrer| referrer.annotations.as_ref());
    let bytes = annotations.map(|text| text.as_str().len()).sum::<usize>();
    let mut index = Vec::with_capacity(bytes + (referrers.len() + 1) * DESCRIPTOR_BYTES);
    index.extend_from_slice(br#"{"schemaVersion":2,"mediaType":""#);
    index.extend_from_slice(INDEX.as_bytes());
    index.extend_from_slice(br#"","manifests":["#);
    for (place, referrer) in referrers.iter().enumerate() {
        if place > 0 {
            index.push(b',');
        }
        let described = Descriptor {
            media_type: &referrer.media_type,
            digest: referrer.digest.to_string(),
            size: referrer.size,
            artifact_type: referrer.artifact_type.as_deref(),
        };
        serde_json::to_writer(&mut index, &described)?;
        if let Some(annotations) = &referrer.annotations {
            index.pop();
            index.extend_from_slice(br#","annotations":"#);
            index.extend_from_slice(annotations.as_str().as_bytes());
            index.push(b'}');
        }
    }
    index.extend_from_slice(b"]}");
    Ok(index)
}

/// The end of the last page, as its `Link` header gave it.
fn after(asked: &Asked<'_>) -> Result<i64, Refusal> {
    match asked.query.find("last") {
        None => Ok(0),
        Some(last) => last
            .parse()
            .ok()
            .filter(|last| *last >= 0)
            .ok_or_else(|| Refusal::unsupported("`last` is not from a page of referrers")),
    }
}
