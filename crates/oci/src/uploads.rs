//! `/v2/<name>/blobs/uploads/`: begins, continues, finishes and cancels the upload of a blob.

use std::error::Error;

use bytes::Bytes;
use ecru_model::{Digest, DigestAlgorithm, RepositoryName};
use ecru_registry::layers::{self, Chunk};
use ecru_store::UploadId;
use http::response::Builder;
use http::{HeaderValue, Response, StatusCode, header};

use crate::codes::{Code, Place};
use crate::incoming::{Incoming, Source};
use crate::refusal::Refusal;
use crate::request::{self, Asked};
use crate::{Answer, answer, range};

pub(crate) async fn begin<B>(asked: &Asked<'_>, name: &str, incoming: &mut Incoming<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let repository = request::repository(name)?;
    // A mount is a hint: clients send names and digests of other registries. A mount that fails begins an
    // upload.
    let mount = asked.query.find("mount");
    let mounted = mount.and_then(|digest| Digest::parse(digest).ok());
    let whole = asked.query.find("digest").map(request::digest).transpose()?;
    let algorithm = asked.query.find("digest-algorithm").map(algorithm).transpose()?;

    if let Some(digest) = &mounted {
        let from = asked.query.find("from");
        let from = from.and_then(|name| RepositoryName::parse(name).ok());
        let done = layers::mount_blob(asked.ctx, &repository, digest, from.as_ref()).await;
        if done.map_err(of_upload)? {
            return stored(asked, &repository, digest);
        }
    } else if let Some(digest) = whole.as_ref().filter(|_| mount.is_none()) {
        asked.refuse_encoded()?;
        take_place(asked, incoming).await?;
        let put = layers::put_blob(asked.ctx, &repository, digest, Source::whole(incoming)).await;
        put.map_err(|error| received(incoming, error))?;
        return stored(asked, &repository, digest);
    }

    let expected = mounted.or(whole).map(|digest| digest.algorithm());
    let algorithm = algorithm.or(expected).unwrap_or(DigestAlgorithm::Sha256);
    let id = layers::begin_upload(asked.ctx, &repository, algorithm)
        .await
        .map_err(of_upload)?;
    answer::empty(at_offset(asked, &repository, &id, 0)?, StatusCode::ACCEPTED)
}

pub(crate) async fn status(asked: &Asked<'_>, name: &str, id: &str) -> Answer {
    let repository = request::repository(name)?;
    let id = request::upload_id(id)?;
    let offset = layers::upload_offset(asked.ctx, &repository, &id)
        .await
        .map_err(of_upload)?;
    answer::empty(
        at_offset(asked, &repository, &id, offset)?,
        StatusCode::NO_CONTENT,
    )
}

pub(crate) async fn append<B>(asked: &Asked<'_>, name: &str, id: &str, incoming: &mut Incoming<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let repository = request::repository(name)?;
    let id = request::upload_id(id)?;
    let range = chunk(asked, incoming.length())?;
    asked.refuse_encoded()?;
    take_place(asked, incoming).await?;

    let chunk = Chunk {
        range,
        source: Source::chunk(incoming, range),
    };
    match layers::append_to_upload(asked.ctx, &repository, &id, chunk).await {
        Ok(held) => answer::empty(at_offset(asked, &repository, &id, held)?, StatusCode::ACCEPTED),
        Err(error) => Err(where_it_stands(asked, &repository, &id, received(incoming, error)).await),
    }
}

pub(crate) async fn finish<B>(asked: &Asked<'_>, name: &str, id: &str, incoming: &mut Incoming<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let repository = request::repository(name)?;
    let id = request::upload_id(id)?;
    let digest = request::digest(asked.query.find("digest").unwrap_or_default())?;
    let range = chunk(asked, incoming.length())?;
    asked.refuse_encoded()?;
    take_place(asked, incoming).await?;

    let last = Chunk {
        range,
        source: Source::chunk(incoming, range),
    };
    match layers::finish_upload(asked.ctx, &repository, &id, &digest, last).await {
        Ok(()) => stored(asked, &repository, &digest),
        Err(error) => Err(where_it_stands(asked, &repository, &id, received(incoming, error)).await),
    }
}

pub(crate) async fn cancel(asked: &Asked<'_>, name: &str, id: &str) -> Answer {
    let repository = request::repository(name)?;
    let id = request::upload_id(id)?;
    layers::cancel_upload(asked.ctx, &repository, &id)
        .await
        .map_err(of_upload)?;
    answer::empty(Response::builder(), StatusCode::NO_CONTENT)
}

/// Called before the upload is looked up, so that a waiting request does not block others from the upload.
async fn take_place<B>(asked: &Asked<'_>, incoming: &mut Incoming<B>) -> Result<(), Refusal>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let taken = incoming.take_place(&asked.ctx.upload_places).await;
    taken.map_err(|failure| Refusal::broken(failure, Code::BlobUploadInvalid))
}

fn algorithm(text: &str) -> Result<DigestAlgorithm, Refusal> {
    [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512]
        .into_iter()
        .find(|known| known.as_str() == text)
        .ok_or_else(Refusal::digest_invalid)
}

/// The range of a chunk in its blob. It must be as long as the body, if the body's length is declared.
fn chunk(asked: &Asked<'_>, length: Option<u64>) -> Result<Option<(u64, u64)>, Refusal> {
    let Some(header) = asked.headers.get(header::CONTENT_RANGE) else {
        return Ok(None);
    };
    let (first, last) = header
        .to_str()
        .ok()
        .and_then(range::chunk)
        .ok_or_else(Refusal::chunk_invalid)?;
    if length.is_some_and(|length| length != last - first + 1) {
        return Err(Refusal::chunk_length_differs());
    }
    Ok(Some((first, last)))
}

fn stored(asked: &Asked<'_>, repository: &RepositoryName, digest: &Digest) -> Answer {
    let digest = digest.to_string();
    let builder = Response::builder()
        .header(
            header::LOCATION,
            asked.location(&format!("{repository}/blobs/{digest}"))?,
        )
        .header(answer::CONTENT_DIGEST, digest);
    answer::empty(builder, StatusCode::CREATED)
}

fn at_offset(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    id: &UploadId,
    offset: u64,
) -> Result<Builder, Refusal> {
    Ok(Response::builder()
        .header(
            header::LOCATION,
            asked.location(&format!("{repository}/blobs/uploads/{id}"))?,
        )
        .header(header::RANGE, held(offset))
        .header(answer::UPLOAD_ID, id.to_string()))
}

/// `Range` names the last byte held. For an empty upload Docker's clients expect `0-0`.
fn held(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

/// The refusal of a chunk that does not fit includes the offset of the upload, so that the client can
/// continue from there.
async fn where_it_stands(
    asked: &Asked<'_>,
    repository: &RepositoryName,
    id: &UploadId,
    refusal: Refusal,
) -> Refusal {
    if refusal.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        return refusal;
    }
    let offset = layers::upload_offset(asked.ctx, repository, id).await;
    let location = asked.location(&format!("{repository}/blobs/uploads/{id}"));
    let (Ok(offset), Ok(location)) = (offset, location) else {
        return refusal;
    };
    let values = [
        (header::LOCATION, Ok(location)),
        (header::RANGE, HeaderValue::try_from(held(offset))),
        (answer::UPLOAD_ID, HeaderValue::try_from(id.to_string())),
    ];
    values
        .into_iter()
        .fold(refusal, |refusal, (name, value)| match value {
            Ok(value) => refusal.with(name, value),
            Err(_) => refusal,
        })
}

/// The error of a receive. If the sender was silent or broke off, the registry is not at fault.
fn received<B>(incoming: &Incoming<B>, error: ecru_registry::Error) -> Refusal {
    match incoming.failure() {
        Some(failure) => Refusal::broken(failure, Code::BlobUploadInvalid),
        None => of_upload(error),
    }
}

fn of_upload(error: ecru_registry::Error) -> Refusal {
    Refusal::of(error, Place::Upload)
}
