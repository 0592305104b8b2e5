//! Blobs of `/v2/`: read, deleted, and uploaded in one request.

use ecru_model::{Digest, ErrorCode, RepositoryName};
use ecru_store::{Blob, BlobError, BlobReader, ByteSource, Snapshot, Value, links::Link};

use super::{
    answered_as_existing, append_failed, digest_mismatch, find_linked, find_with_link, is_archived,
    layer_bytes_max, layer_not_found, media_type, publish, was_used_lately,
};
use crate::access::Access;
use crate::creation_templates::repository_to_push;
use crate::records::repositories::{self, Repository};
use crate::{Context, Error};

/// `HEAD`: the size of a blob whose bytes are intact.
pub async fn find_blob(ctx: &Context, repository: &RepositoryName, digest: &Digest) -> Result<u64, Error> {
    let access = ctx.access("BatchCheckLayerAvailability", None);
    let (repository, blob, link) = ctx
        .store
        .read(|at| look_up(ctx, at, &access, repository, digest))
        .await?;
    let missing = || layer_not_found(&repository, &digest.to_string());

    if !ctx.store.blobs().check(&blob).await? {
        return Err(missing());
    }
    let kept = was_used_lately(link, ctx.clock.machine_milliseconds())
        || answered_as_existing(ctx, repository.id, vec![blob.id])
            .await?
            .is_empty();
    if !kept {
        return Err(missing());
    }
    Ok(blob.size)
}

/// `GET`: returns only bytes that match the digest.
pub async fn open_blob(
    ctx: &Context,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<BlobReader, Error> {
    let access = ctx.access("GetDownloadUrlForLayer", None);
    let (repository, blob) = ctx
        .store
        .read(|at| {
            let (repository, blob, _) = look_up(ctx, at, &access, repository, digest)?;
            // An archived image cannot be pulled, nor can blobs that only archived images need.
            if is_archived(at, &repository, blob.id)? {
                return Err(layer_not_found(&repository, &digest.to_string()));
            }
            Ok((repository, blob))
        })
        .await?;
    match ctx.store.blobs().open(&blob).await {
        Ok(reader) => Ok(reader),
        Err(BlobError::Missing) => Err(layer_not_found(&repository, &digest.to_string())),
        Err(error) => {
            Err(Error::server("The layer cannot be read because of a server-side issue").caused_by(error))
        }
    }
}

/// `POST` with a digest: a whole blob in one request.
pub async fn put_blob(
    ctx: &Context,
    repository: &RepositoryName,
    digest: &Digest,
    mut source: impl ByteSource,
) -> Result<(), Error> {
    let access = ctx
        .access("InitiateLayerUpload", None)
        .and("UploadLayerPart")
        .and("CompleteLayerUpload");
    let name = repository.clone();
    let expected = load_to_push(ctx, &access, &name).await?;
    let received = ctx
        .store
        .uploads()
        .receive(digest.algorithm(), &mut source, layer_bytes_max(ctx))
        .await
        .map_err(|error| append_failed(ctx, error, || Error::server("the layer could not be received")))?;
    if received.digest() != digest {
        return Err(digest_mismatch());
    }

    let store = ctx.store.clone();
    let machine_now = ctx.clock.machine_milliseconds();
    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            if repository.id != expected.id {
                return Err(repositories::not_found(&access.scope, &name));
            }
            Ok(publish(&store, tx, &repository, &received, machine_now)?)
        })
        .await
}

/// The request that sends the first bytes may create the repository; other requests do not wait for the writer.
async fn load_to_push(ctx: &Context, access: &Access, name: &RepositoryName) -> Result<Repository, Error> {
    match super::load(ctx, access, name).await {
        Err(error) if error.code == ErrorCode::RepositoryNotFoundException => {
            let (access, name, quotas) = (access.clone(), name.clone(), ctx.configuration.quotas);
            ctx.store
                .write(move |tx| repository_to_push(tx, &access, &name, &quotas))
                .await
        }
        found => found,
    }
}

/// `DELETE`: removes the blob from the repository, unless an image needs it.
pub async fn delete_blob(ctx: &Context, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
    let access = ctx.access("BatchDeleteImage", None);
    let (name, digest) = (repository.clone(), *digest);
    let store = ctx.store.clone();
    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            let blob = find_linked(&store, tx, &repository, &digest)?
                .ok_or_else(|| layer_not_found(&repository, &digest.to_string()))?;
            if media_type(tx, &repository, blob.id)?.is_some() {
                return Err(needed(&digest));
            }
            tx.execute(
                "DELETE FROM links WHERE repository_id = ?1 AND blob_id = ?2",
                &[Value::Integer(repository.id), Value::Integer(blob.id)],
            )?;
            Ok(())
        })
        .await
}

fn look_up(
    ctx: &Context,
    at: &Snapshot<'_>,
    access: &Access,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<(Repository, Blob, Link), Error> {
    let repository = access.repository(at, name)?;
    let (blob, link) = find_with_link(&ctx.store, at, &repository, digest)?
        .ok_or_else(|| layer_not_found(&repository, &digest.to_string()))?;
    Ok((repository, blob, link))
}

fn needed(digest: &Digest) -> Error {
    Error::new(
        ErrorCode::InvalidParameterException,
        format!("The layer with digest '{digest}' is needed by an image of the repository"),
    )
}
