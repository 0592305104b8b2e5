//! `UpdateImageStorageClass`: archives an image at once, or begins its restore.

use ecru_model::{
    Digest, ErrorCode, ImageFailureCode, ImageStatus, TargetStorageClass, Timestamp,
    UpdateImageStorageClassInput as Input, UpdateImageStorageClassOutput as Output,
};
use ecru_store::Tx;

use crate::records::repositories::Repository;
use crate::stored_images::{
    Image, active_at, archive, begin_activation, find, identifier, indexes_of, not_found, select,
};
use crate::{Context, Error};

pub async fn update_image_storage_class(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("UpdateImageStorageClass", input.registry_id.as_ref());
    let now = ctx.clock.now();
    let times = Times {
        now,
        active_at: active_at(now, ctx.configuration.pace),
    };

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &input.repository_name)?;
            let (image, _) = select(tx, &repository, &input.image_id)?.map_err(|failure| {
                match (failure.failure_code, failure.failure_reason) {
                    (
                        Some(ImageFailureCode::ImageNotFound | ImageFailureCode::ImageTagDoesNotMatchDigest),
                        _,
                    )
                    | (_, None) => not_found(&repository, &input.image_id),
                    (_, Some(reason)) => Error::parameter("imageId", &reason),
                }
            })?;
            let status = change(tx, &repository, &image, input.target_storage_class, times)?;

            Ok(Output {
                image_id: Some(identifier(&image.digest, input.image_id.image_tag.as_deref())),
                image_status: Some(status),
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
            })
        })
        .await
}

#[derive(Clone, Copy)]
struct Times {
    now: Timestamp,
    /// The end of a restore that begins now.
    active_at: Timestamp,
}

fn change(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    target: TargetStorageClass,
    times: Times,
) -> Result<ImageStatus, Error> {
    match (image.status, target) {
        (ImageStatus::Active, TargetStorageClass::Archive) => {
            for index in indexes_of(tx, repository, image)? {
                if find(tx, repository, &index)?.is_some_and(|index| index.status != ImageStatus::Archived) {
                    return Err(needed(&index));
                }
            }
            archive(tx, repository, image, times.now)?;
            Ok(ImageStatus::Archived)
        }
        (ImageStatus::Archived, TargetStorageClass::Standard) => {
            begin_activation(tx, repository, image, times.active_at)?;
            Ok(ImageStatus::Activating)
        }
        (status, target) => Err(not_supported(format!(
            "The storage class of an image with status '{}' cannot be updated to '{}'",
            status.as_str(),
            target.as_str()
        ))),
    }
}

fn needed(index: &Digest) -> Error {
    not_supported(format!(
        "The image cannot be archived because it is referenced by manifest list: [{index}]"
    ))
}

/// [unknown] ECR's wording.
fn not_supported(message: String) -> Error {
    Error::new(ErrorCode::ImageStorageClassUpdateNotSupportedException, message)
}
