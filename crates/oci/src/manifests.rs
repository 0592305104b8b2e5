//! `/v2/<name>/manifests/<reference>`.

use std::error::Error;

use bytes::Bytes;
use ecru_model::ImageTag;
use ecru_registry::images::{self, MANIFEST_BYTES_MAX, PutManifest, Reference, StoredManifest};
use ecru_registry::pull_through_cache;
use http::{HeaderValue, Response, StatusCode, header};

use crate::codes::{Code, Place};
use crate::incoming::{Gathered, Incoming};
use crate::refusal::Refusal;
use crate::request::{self, Asked};
use crate::{Answer, Body, answer};

/// The specification requires at least ten.
const TAGS_OF_A_PUSH_MAX: usize = 100;

/// Returns the stored form whatever `Accept` says: a client that cannot read it sees so from `Content-Type`.
pub(crate) async fn get(asked: &Asked<'_>, name: &str, reference: &str) -> Answer {
    let repository = request::repository(name)?;
    let reference = request::reference(reference)?;
    let pulled = pull_through_cache::pull_manifest(asked.ctx, &repository, &reference).await;
    describe(asked, pulled)
}

/// [unknown] whether a HEAD counts as a pull. Here it does not: the client received no manifest.
pub(crate) async fn head(asked: &Asked<'_>, name: &str, reference: &str) -> Answer {
    let repository = request::repository(name)?;
    let reference = request::reference(reference)?;
    let found = pull_through_cache::look_at_manifest(asked.ctx, &repository, &reference).await;
    describe(asked, found)
}

fn describe(asked: &Asked<'_>, loaded: Result<StoredManifest, ecru_registry::Error>) -> Answer {
    let stored = loaded.map_err(|error| Refusal::of(error, Place::Manifest))?;
    let digest = stored.digest.to_string();
    let etag = format!("\"{digest}\"");
    let unchanged = asked.has(&etag);
    let builder = Response::builder()
        .header(answer::CONTENT_DIGEST, digest)
        .header(header::ETAG, etag);
    if unchanged {
        return answer::empty(builder, StatusCode::NOT_MODIFIED);
    }
    let builder = builder
        .header(header::CONTENT_TYPE, stored.media_type)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer::with_body(builder, Body::Bytes(stored.bytes))
}

pub(crate) async fn put<B>(
    asked: &Asked<'_>,
    name: &str,
    reference: &str,
    incoming: &mut Incoming<B>,
) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let repository = request::repository(name)?;
    let reference = match request::reference(reference)? {
        Reference::Tag(tag) => request::new_tag(tag.as_str()).map(Reference::Tag)?,
        digest @ Reference::Digest(_) => digest,
    };
    let tags = further_tags(asked, &reference)?;
    asked.refuse_encoded()?;
    let bytes = match incoming.gather(MANIFEST_BYTES_MAX).await {
        Gathered::Whole(bytes) => bytes,
        Gathered::TooLong => return Err(Refusal::manifest_too_long()),
        Gathered::Failed(failure) => return Err(Refusal::broken(failure, Code::ManifestInvalid)),
    };

    let put = PutManifest {
        repository: repository.clone(),
        reference,
        content_type: content_type(asked),
        tags: tags.clone(),
        bytes,
    };
    let stored = images::put_manifest(asked.ctx, put)
        .await
        .map_err(|error| Refusal::of(error, Place::ManifestPut))?;

    let digest = stored.digest.to_string();
    let mut builder = Response::builder()
        .header(
            header::LOCATION,
            asked.location(&format!("{repository}/manifests/{digest}"))?,
        )
        .header(answer::CONTENT_DIGEST, digest);
    if let Some(subject) = stored.subject {
        builder = builder.header(answer::SUBJECT, subject.to_string());
    }
    for tag in tags {
        builder = builder.header(answer::TAG, tag.as_str());
    }
    answer::empty(builder, StatusCode::CREATED)
}

pub(crate) async fn delete(asked: &Asked<'_>, name: &str, reference: &str) -> Answer {
    let repository = request::repository(name)?;
    let reference = request::reference(reference)?;
    images::delete_manifest(asked.ctx, &repository, &reference)
        .await
        .map_err(|error| {
            let refusal = Refusal::of(error, Place::Deletion);
            match refusal.status() {
                StatusCode::METHOD_NOT_ALLOWED => {
                    refusal.with(header::ALLOW, HeaderValue::from_static("GET, HEAD, PUT"))
                }
                _ => refusal,
            }
        })?;
    answer::empty(Response::builder(), StatusCode::ACCEPTED)
}

/// `?tag=` names tags for a push by digest. A push by tag has its own tag.
fn further_tags(asked: &Asked<'_>, reference: &Reference) -> Result<Vec<ImageTag>, Refusal> {
    let mut tags = Vec::new();
    if matches!(reference, Reference::Tag(_)) {
        return Ok(tags);
    }
    for tag in asked.query.all("tag") {
        let tag = request::new_tag(tag)?;
        if tags.contains(&tag) {
            continue;
        }
        if tags.len() == TAGS_OF_A_PUSH_MAX {
            return Err(Refusal::too_many_tags());
        }
        tags.push(tag);
    }
    Ok(tags)
}

/// `None` if the header names no type.
fn content_type(asked: &Asked<'_>) -> Option<String> {
    let given = asked.header(header::CONTENT_TYPE)?;
    let names_a_type = !given.split(';').next().unwrap_or_default().trim().is_empty();
    names_a_type.then(|| given.to_owned())
}
