//! Uploads of `/v2/`: begun, continued in chunks or streams, queried, finished or cancelled.

use ecru_model::{Digest, DigestAlgorithm, ErrorCode, RepositoryName};
use ecru_store::{ByteSource, Durability, NewUpload, Upload, UploadId};

use super::{
    append_failed, complete_failed, find_linked, layer_bytes_max, load, out_of_order, publish, take,
    upload_not_found,
};
use crate::access::Access;
use crate::creation_templates::repository_to_push;
use crate::quotas::Quota;
use crate::records::repositories::{self, Repository};
use crate::{Context, Error};

/// Bytes for an upload, with the positions of the first and last byte if the client sent them.
pub struct Chunk<S> {
    pub range: Option<(u64, u64)>,
    pub source: S,
}

pub async fn begin_upload(
    ctx: &Context,
    repository: &RepositoryName,
    algorithm: DigestAlgorithm,
) -> Result<UploadId, Error> {
    let access = ctx.access("InitiateLayerUpload", None);
    begin(ctx, access, repository.clone(), algorithm).await
}

pub(crate) async fn begin(
    ctx: &Context,
    access: Access,
    name: RepositoryName,
    algorithm: DigestAlgorithm,
) -> Result<UploadId, Error> {
    let machine_now = ctx.clock.machine_milliseconds();
    let store = ctx.store.clone();
    let quotas = ctx.configuration.quotas;
    let max = quotas.count(Quota::UploadsPerRepository);
    let given = ctx
        .store
        .read(|at| {
            let Some(repository) = access.find_repository(at, &name)? else {
                return Ok(None);
            };
            let new = NewUpload {
                repository_id: repository.id,
                algorithm,
                now_milliseconds: machine_now,
            };
            store.uploads().issue(at, new, max).map_err(Error::from)
        })
        .await?;
    if let Some(id) = given {
        return Ok(id);
    }
    ctx.store
        .write(move |tx| {
            let repository = repository_to_push(tx, &access, &name, &quotas)?;
            if store.uploads().count(tx, repository.id)? >= max {
                return Err(too_many_uploads(&repository, max));
            }
            Ok(store
                .uploads()
                .insert(tx, repository.id, algorithm, machine_now)?)
        })
        .await
}

/// Appends a chunk with a given range, or a stream. Returns the number of bytes received so far.
pub async fn append_to_upload(
    ctx: &Context,
    repository: &RepositoryName,
    id: &UploadId,
    mut chunk: Chunk<impl ByteSource>,
) -> Result<u64, Error> {
    let repository = load(ctx, &ctx.access("UploadLayerPart", None), repository).await?;
    let mut upload = take(ctx, &repository, id).await?;
    let (durability, room) = match chunk.range {
        Some(range) => (
            Durability::Durable,
            check_range(ctx, &repository, id, &upload, range)?,
        ),
        None => (
            Durability::Streamed,
            layer_bytes_max(ctx).saturating_sub(upload.offset()),
        ),
    };
    upload
        .append(&mut chunk.source, durability, room)
        .await
        .map_err(|error| append_failed(ctx, error, || upload_not_found(&repository, id)))?;
    Ok(upload.offset())
}

/// Appends the last bytes, if any, and ends the upload. If the digest is wrong, the upload stays unchanged.
pub async fn finish_upload(
    ctx: &Context,
    repository: &RepositoryName,
    id: &UploadId,
    digest: &Digest,
    mut last: Chunk<impl ByteSource>,
) -> Result<(), Error> {
    // The request may carry the last bytes.
    let access = ctx.access("CompleteLayerUpload", None).and("UploadLayerPart");
    let repository = load(ctx, &access, repository).await?;
    let mut upload = take(ctx, &repository, id).await?;
    let room = match last.range {
        Some(range) => check_range(ctx, &repository, id, &upload, range)?,
        None => layer_bytes_max(ctx).saturating_sub(upload.offset()),
    };
    upload
        .append_last(&mut last.source, room)
        .await
        .map_err(|error| append_failed(ctx, error, || upload_not_found(&repository, id)))?;
    end(ctx, &repository, id, upload, &[*digest]).await?;
    Ok(())
}

pub async fn upload_offset(ctx: &Context, repository: &RepositoryName, id: &UploadId) -> Result<u64, Error> {
    let repository = load(ctx, &ctx.access("UploadLayerPart", None), repository).await?;
    let offset = ctx.store.uploads().offset(repository.id, id).await?;
    offset.ok_or_else(|| upload_not_found(&repository, id))
}

pub async fn cancel_upload(ctx: &Context, repository: &RepositoryName, id: &UploadId) -> Result<(), Error> {
    let repository = load(ctx, &ctx.access("UploadLayerPart", None), repository).await?;
    let upload = take(ctx, &repository, id).await?;
    Ok(upload.cancel().await?)
}

/// The end of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Stored,
    /// The repository already had the layer, so the bytes were discarded.
    AlreadyThere,
}

/// Verifies the received bytes, and in one transaction ends the upload and links the blob.
pub(crate) async fn end(
    ctx: &Context,
    repository: &Repository,
    id: &UploadId,
    upload: Upload,
    digests: &[Digest],
) -> Result<(Ended, Digest), Error> {
    let service = std::sync::Arc::clone(&ctx.service);
    let access = ctx.access("CompleteLayerUpload", Some(&repository.scope.registry_id));
    let expected = repository.clone();
    let machine_now = ctx.clock.machine_milliseconds();
    upload
        .complete(digests, move |tx, received| {
            let repository = access.repository(tx, &expected.name)?;
            if repository.id != expected.id {
                return Err(repositories::not_found(&expected.scope, &expected.name));
            }
            let there = find_linked(&service.store, tx, &repository, received.digest())?;
            publish(&service.store, tx, &repository, received, machine_now)?;
            let ended = match there {
                Some(blob) if blob.is_intact() => Ended::AlreadyThere,
                _ => Ended::Stored,
            };
            Ok((ended, *received.digest()))
        })
        .await
        .map_err(|error| complete_failed(repository, id, error))
}

/// The length that a chunk declares, if the chunk continues the received bytes.
fn check_range(
    ctx: &Context,
    repository: &Repository,
    id: &UploadId,
    upload: &Upload,
    (first, last): (u64, u64),
) -> Result<u64, Error> {
    if first != upload.offset() || last < first {
        return Err(out_of_order(repository, id, first, upload.offset()));
    }
    let max = layer_bytes_max(ctx);
    if last >= max {
        return Err(super::too_large(max));
    }
    Ok(last - first + 1)
}

/// An id that is well-formed but that no upload can have is reported as absent.
pub(crate) fn parse_id(repository: &Repository, text: &str) -> Result<UploadId, Error> {
    UploadId::parse(text).ok_or_else(|| {
        Error::new(
            ErrorCode::UploadNotFoundException,
            format!(
                "The upload with id '{text}' does not exist in the repository with name '{}' in the registry with id \
                 '{}'",
                repository.name, repository.scope.registry_id
            ),
        )
    })
}

fn too_many_uploads(repository: &Repository, max: u64) -> Error {
    Error::new(
        ErrorCode::LimitExceededException,
        format!(
            "The repository with name '{}' already has the maximum allowed number of uploads which is '{max}'",
            repository.name
        ),
    )
}
