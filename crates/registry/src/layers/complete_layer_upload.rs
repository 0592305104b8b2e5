//! `CompleteLayerUpload`: verifies a layer and links it to the repository.

use ecru_model::{CompleteLayerUploadInput as Input, CompleteLayerUploadOutput as Output, Digest, ErrorCode};
use ecru_store::{Upload, UploadId};

use crate::records::repositories::Repository;
use crate::stored_layers::upload::{Ended, end, parse_id};
use crate::stored_layers::{load, take};
use crate::{Context, Error};

/// Every part but the last has at least this size.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

pub async fn complete_layer_upload(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("CompleteLayerUpload", input.registry_id.as_ref());
    let repository = load(ctx, &access, &input.repository_name).await?;
    let id = parse_id(&repository, input.upload_id.as_str())?;
    // Digests of algorithms that are not stored here are accepted beside a digest of one that is.
    let digests = input
        .layer_digests
        .iter()
        .filter_map(|text| Digest::parse(text).ok())
        .collect::<Vec<_>>();

    let upload = take(ctx, &repository, &id)
        .await
        .map_err(|error| while_completing(&repository, &id, error))?;
    check_parts(&repository, &id, &upload)?;
    let (ended, digest) = end(ctx, &repository, &id, upload, &digests).await?;
    if ended == Ended::AlreadyThere {
        return Err(already_exists(&repository, &digest));
    }

    Ok(Output {
        registry_id: Some(repository.scope.registry_id),
        repository_name: Some(repository.name),
        upload_id: Some(input.upload_id),
        layer_digest: Some(digest.to_string()),
    })
}

/// This operation has no error for an invalid part, so that error is replaced.
fn while_completing(repository: &Repository, id: &UploadId, error: Error) -> Error {
    if error.code != ErrorCode::InvalidLayerPartException {
        return error;
    }
    Error::new(
        ErrorCode::InvalidParameterException,
        format!(
            "The upload with id '{id}' in the repository with name '{}' is in use by another request",
            repository.name
        ),
    )
}

fn check_parts(repository: &Repository, id: &UploadId, upload: &Upload) -> Result<(), Error> {
    if upload.offset() == 0 {
        return Err(empty_upload(repository, id));
    }
    if upload
        .smallest_inner_part()
        .is_some_and(|size| size < PART_BYTES_MIN)
    {
        return Err(Error::new(
            ErrorCode::LayerPartTooSmallException,
            "All layer parts except the last part should be at least 5MB",
        ));
    }
    Ok(())
}

fn empty_upload(repository: &Repository, id: &UploadId) -> Error {
    Error::new(
        ErrorCode::EmptyUploadException,
        format!(
            "The upload with id '{id}' in the repository with name '{}' in registry with id '{}' cannot be completed \
             because it does not have any parts",
            repository.name, repository.scope.registry_id
        ),
    )
}

fn already_exists(repository: &Repository, digest: &Digest) -> Error {
    Error::new(
        ErrorCode::LayerAlreadyExistsException,
        format!(
            "The layer with digest '{digest}' already exists in the repository with name '{}' in registry with id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}
