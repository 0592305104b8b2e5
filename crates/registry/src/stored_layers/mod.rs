//! The layers of a repository: receiving them, finding them, and the error sentences about them. Both wires use the same state
//! machine for uploads.

mod blob;
mod mount_blob;
pub(crate) mod upload;

use ecru_model::{Digest, ErrorCode, RepositoryName};
use ecru_store::{
    AppendError, Blob, CompleteError, Received, Snapshot, Store, StoreError, TakeError, Tx, UploadId, Value,
    links::{self, Link},
};

use crate::access::Access;
use crate::quotas::Quota;
use crate::records::repositories::Repository;
use crate::{Context, Detail, Error, Service};

pub use blob::{delete_blob, find_blob, open_blob, put_blob};
pub use mount_blob::mount_blob;
pub use upload::{Chunk, append_to_upload, begin_upload, cancel_upload, finish_upload, upload_offset};

pub(crate) fn layer_bytes_max(ctx: &Service) -> u64 {
    ctx.configuration.quotas.count(Quota::LayerBytes)
}

/// A blob, if the repository may read it.
pub(crate) fn find_linked(
    store: &Store,
    at: &Snapshot<'_>,
    repository: &Repository,
    digest: &Digest,
) -> Result<Option<Blob>, StoreError> {
    Ok(find_with_link(store, at, repository, digest)?.map(|(blob, _)| blob))
}

pub(crate) fn find_with_link(
    store: &Store,
    at: &Snapshot<'_>,
    repository: &Repository,
    digest: &Digest,
) -> Result<Option<(Blob, Link)>, StoreError> {
    let Some(blob) = store.blobs().find(at, digest)? else {
        return Ok(None);
    };
    Ok(links::find(at, repository.id, blob.id)?.map(|link| (blob, link)))
}

/// The media type that images of the repository give a blob; none if no image needs it.
pub(crate) fn media_type(
    at: &Snapshot<'_>,
    repository: &Repository,
    blob_id: i64,
) -> Result<Option<String>, StoreError> {
    at.find(
        "SELECT media_type FROM links WHERE repository_id = ?1 AND blob_id = ?2 AND images > 0",
        &[Value::Integer(repository.id), Value::Integer(blob_id)],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// Whether images of the repository need a blob, and none of these images can be pulled.
pub(crate) fn is_archived(
    at: &Snapshot<'_>,
    repository: &Repository,
    blob_id: i64,
) -> Result<bool, StoreError> {
    let archived = at.find(
        "SELECT 1 FROM links WHERE repository_id = ?1 AND blob_id = ?2 AND images > 0 AND active_images = 0",
        &[Value::Integer(repository.id), Value::Integer(blob_id)],
        |row| row.integer(0),
    )?;
    Ok(archived.is_some())
}

/// Lets a repository read a blob that was received for it.
pub(crate) fn publish(
    store: &Store,
    tx: &Tx<'_>,
    repository: &Repository,
    received: &Received,
    machine_now: i64,
) -> Result<(), StoreError> {
    let blob_id = store.blobs().insert(tx, received)?;
    links::insert(tx, repository.id, blob_id, machine_now)
}

/// Whether the link is recent enough that collection keeps it, even if its new use is not recorded.
pub(crate) fn was_used_lately(link: Link, machine_now: i64) -> bool {
    const RECORDED_AT_MOST_EVERY_MILLISECONDS: i64 = 60 * 60 * 1000;
    link.used_at + RECORDED_AT_MOST_EVERY_MILLISECONDS >= machine_now
}

/// Called before an answer says that layers exist: keeps the layers for a push that relies on the answer.
/// Returns the layers that collection has removed since they were found: these do not exist.
pub(crate) async fn answered_as_existing(
    ctx: &Context,
    repository_id: i64,
    blob_ids: Vec<i64>,
) -> Result<Vec<i64>, Error> {
    let machine_now = ctx.clock.machine_milliseconds();
    let stale = ctx
        .store
        .read(|at| {
            let mut stale = Vec::new();
            for blob_id in blob_ids {
                let link = links::find(at, repository_id, blob_id)?;
                if !link.is_some_and(|link| was_used_lately(link, machine_now)) {
                    stale.push(blob_id);
                }
            }
            Ok::<_, Error>(stale)
        })
        .await?;
    if stale.is_empty() {
        return Ok(Vec::new());
    }
    let renewed = ctx
        .store
        .write(move |tx| {
            let mut gone = Vec::new();
            for blob_id in &stale {
                // The link is not created again here: its bytes may already be on the way to deletion.
                if links::find(tx, repository_id, *blob_id)?.is_some() {
                    links::insert(tx, repository_id, *blob_id, machine_now)?;
                } else {
                    gone.push(*blob_id);
                }
            }
            Ok::<_, StoreError>(gone)
        })
        .await;
    // Reads continue while writes fail; a push that relies on the layer would be refused anyway.
    Ok(renewed.unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the use of a layer was not recorded"
        );
        Vec::new()
    }))
}

pub(crate) fn upload_not_found(repository: &Repository, upload: &UploadId) -> Error {
    Error::new(
        ErrorCode::UploadNotFoundException,
        format!(
            "The upload with id '{upload}' does not exist in the repository with name '{}' in the registry with id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}

pub(crate) fn layer_not_found(repository: &Repository, digest: &str) -> Error {
    Error::new(
        ErrorCode::LayersNotFoundException,
        format!(
            "The layer with digest '{digest}' does not exist within the repository with name '{}' in the registry with \
             id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}

/// The error for bytes that do not continue those received so far.
pub(crate) fn invalid_part(repository: &Repository, upload: &UploadId, held: u64, reason: String) -> Error {
    Error::new(ErrorCode::InvalidLayerPartException, reason).with_detail(Detail::InvalidLayerPart {
        registry_id: repository.scope.registry_id.as_str().to_owned(),
        repository_name: repository.name.as_str().to_owned(),
        upload_id: upload.to_string(),
        last_valid_byte_received: held.cast_signed() - 1,
    })
}

pub(crate) fn out_of_order(repository: &Repository, upload: &UploadId, got: u64, held: u64) -> Error {
    let reason = format!("First byte of the layer part is {got} instead of {held}");
    invalid_part(repository, upload, held, reason)
}

pub(crate) fn too_large(max: u64) -> Error {
    Error::new(
        ErrorCode::LimitExceededException,
        format!("The layer is larger than the maximum of {max} bytes"),
    )
}

/// Takes an upload of a repository for this caller alone.
pub(crate) async fn take(
    ctx: &Context,
    repository: &Repository,
    id: &UploadId,
) -> Result<ecru_store::Upload, Error> {
    let uploads = ctx.store.uploads();
    match uploads.take(repository.id, id).await {
        Ok(upload) => Ok(upload),
        Err(TakeError::NotFound) => Err(upload_not_found(repository, id)),
        Err(TakeError::Busy) => {
            let held = uploads.offset(repository.id, id).await?.unwrap_or(0);
            Err(invalid_part(
                repository,
                id,
                held,
                "Another part of the layer is being received".to_owned(),
            ))
        }
        Err(TakeError::Store(error)) => Err(error.into()),
    }
}

pub(crate) async fn load(ctx: &Context, access: &Access, name: &RepositoryName) -> Result<Repository, Error> {
    ctx.store.read(|at| access.repository(at, name)).await
}

/// Converts the error of a failed append to the error that the client receives.
pub(crate) fn append_failed(ctx: &Context, error: AppendError, gone: impl FnOnce() -> Error) -> Error {
    match error {
        AppendError::Source(cause) => Error::new(
            ErrorCode::MalformedHttpRequestException,
            "The request body did not arrive whole",
        )
        .caused_by(cause),
        AppendError::TooLarge => too_large(layer_bytes_max(ctx)),
        AppendError::Gone => gone(),
        AppendError::Store(error) => error.into(),
    }
}

/// The error of a failed completion, as an answer.
pub(crate) fn complete_failed(repository: &Repository, id: &UploadId, error: CompleteError<Error>) -> Error {
    match error {
        CompleteError::Mismatch { computed } => {
            tracing::debug!(%computed, "an upload has another digest than the requested one");
            digest_mismatch()
        }
        CompleteError::Refused(error) => error,
        CompleteError::Gone => upload_not_found(repository, id),
        CompleteError::Store(error) => error.into(),
    }
}

pub(crate) fn digest_mismatch() -> Error {
    Error::new(
        ErrorCode::LayerDigestMismatchException,
        "None of the provided layer digests match the calculated layer digest",
    )
}

#[cfg(test)]
mod tests {
    use crate::Caller;

    use super::*;
    use crate::{Endpoint, Scheme};

    #[tokio::test]
    async fn a_layer_that_was_collected_between_the_look_and_the_answer_is_not_said_to_exist() {
        let (service, _directory) = crate::test_service::service();
        let endpoint = Endpoint {
            scheme: Scheme::Http,
            authority: "localhost".to_owned(),
        };
        let scope = crate::test_service::scope("000000000000", "us-east-1");
        let ctx = Context::new(&service, Caller::root(&scope), scope, endpoint);
        let linked = ctx.store.write(|tx| {
            tx.execute(
                "INSERT INTO repositories (id, account, region, name, created_at, tag_mutability, scan_on_push,
                                           encryption_type)
                 VALUES (1, '000000000000', 'us-east-1', 'demo', 0, 'MUTABLE', 0, 'AES256')",
                &[],
            )?;
            let digest = Digest::of(b"layer");
            tx.execute(
                "INSERT INTO blobs (id, digest, size, bytes) VALUES (5, ?1, 5, ?2)",
                &[Value::Blob(digest.as_bytes()), Value::Blob(b"layer")],
            )?;
            links::insert(tx, 1, 5, 0)
        });
        linked.await.unwrap();

        let gone = answered_as_existing(&ctx, 1, vec![5, 6]).await.unwrap();
        assert_eq!(gone, [6]);
        let link = ctx.store.read(|at| links::find(at, 1, 5)).await.unwrap().unwrap();
        assert!(link.used_at > 0, "the one that stands is kept for longer");
    }
}
