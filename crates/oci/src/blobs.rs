//! `/v2/<name>/blobs/<digest>`.

use std::sync::Arc;

use ecru_model::{Digest, RepositoryName};
use ecru_registry::pull_through_cache::{self, OpenedBlob};
use ecru_registry::{Context, Endpoint, Service, authorization, layers};
use http::response::Builder;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::codes::Place;
use crate::path::Route;
use crate::query::Query;
use crate::range::{self, Wanted};
use crate::refusal::Refusal;
use crate::request::{self, Asked};
use crate::{Answer, Body, answer};

/// A request to read one blob whose address contains the permission.
pub(crate) struct Granted<'a> {
    repository: RepositoryName,
    digest: Digest,
    grant: &'a str,
}

/// Only reading one blob can be permitted this way: every other request needs credentials.
pub(crate) fn granted<'a>(method: &Method, route: &Route<'_>, query: &'a Query<'_>) -> Option<Granted<'a>> {
    let (Route::Blob { name, digest }, true) = (route, *method == Method::GET || *method == Method::HEAD)
    else {
        return None;
    };
    Some(Granted {
        grant: query.find("grant")?,
        repository: RepositoryName::parse(*name).ok()?,
        digest: Digest::parse(digest).ok()?,
    })
}

impl Granted<'_> {
    pub(crate) fn enter(&self, service: &Arc<Service>, endpoint: &Endpoint) -> Result<Context, Refusal> {
        authorization::check_grant(
            service,
            &self.repository,
            &self.digest,
            self.grant,
            endpoint.clone(),
        )
        .map_err(Refusal::entering)
    }
}

pub(crate) async fn get(asked: &Asked<'_>, name: &str, digest: &str) -> Answer {
    let repository = request::repository(name)?;
    let digest = request::digest(digest)?;
    let (builder, etag) = described(&digest);
    let reader = match pull_through_cache::open_blob(asked.ctx, &repository, &digest)
        .await
        .map_err(of_blob)?
    {
        OpenedBlob::Stored(reader) => reader,
        // A blob whose end has not arrived cannot be served in ranges.
        OpenedBlob::Arriving(arriving) => {
            let builder = of_length(builder, arriving.size_bytes);
            return answer::with_body(builder, Body::Arriving(arriving));
        }
    };

    let size = reader.size();
    if asked.has(&etag) {
        return answer::empty(builder, StatusCode::NOT_MODIFIED);
    }
    let (builder, first, length) = match wanted(asked, &etag, size) {
        Wanted::Whole => (builder, 0, size),
        Wanted::Part { first, last } => {
            let builder = builder
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
            (builder, first, last - first + 1)
        }
        Wanted::Unsatisfiable => return Err(Refusal::range_unsatisfiable(size)),
    };
    answer::with_body(
        of_length(builder, length),
        Body::Content {
            reader,
            first,
            length,
        },
    )
}

pub(crate) async fn head(asked: &Asked<'_>, name: &str, digest: &str) -> Answer {
    let repository = request::repository(name)?;
    let digest = request::digest(digest)?;
    let size = pull_through_cache::find_blob(asked.ctx, &repository, &digest)
        .await
        .map_err(of_blob)?;

    let (builder, etag) = described(&digest);
    if asked.has(&etag) {
        return answer::empty(builder, StatusCode::NOT_MODIFIED);
    }
    answer::with_body(of_length(builder, size), Body::Empty)
}

pub(crate) async fn delete(asked: &Asked<'_>, name: &str, digest: &str) -> Answer {
    let repository = request::repository(name)?;
    let digest = request::digest(digest)?;
    layers::delete_blob(asked.ctx, &repository, &digest)
        .await
        .map_err(|error| {
            let refusal = Refusal::of(error, Place::Deletion);
            match refusal.status() {
                StatusCode::METHOD_NOT_ALLOWED => {
                    refusal.with(header::ALLOW, HeaderValue::from_static("GET, HEAD"))
                }
                _ => refusal,
            }
        })?;
    answer::empty(Response::builder(), StatusCode::ACCEPTED)
}

/// A range whose `If-Range` names other content than this blob is ignored.
fn wanted(asked: &Asked<'_>, etag: &str, size: u64) -> Wanted {
    if asked
        .headers
        .get(header::IF_RANGE)
        .is_some_and(|condition| condition.as_bytes() != etag.as_bytes())
    {
        return Wanted::Whole;
    }
    let mut ranges = asked.headers.get_all(header::RANGE).iter();
    match (ranges.next(), ranges.next()) {
        (None, _) | (Some(_), Some(_)) => Wanted::Whole,
        (Some(only), None) => only
            .to_str()
            .map_or(Wanted::Unsatisfiable, |only| range::wanted(only, size)),
    }
}

fn described(digest: &Digest) -> (Builder, String) {
    let digest = digest.to_string();
    let etag = format!("\"{digest}\"");
    let builder = Response::builder()
        .header(header::ETAG, &etag)
        .header(answer::CONTENT_DIGEST, digest)
        .header(header::ACCEPT_RANGES, "bytes");
    (builder, etag)
}

fn of_length(builder: Builder, length: u64) -> Builder {
    builder
        .header(header::CONTENT_LENGTH, length)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

fn of_blob(error: ecru_registry::Error) -> Refusal {
    Refusal::of(error, Place::Blob)
}
