//! `DescribeImageSigningStatus`: the results of signing an image when it was pushed, one for each profile.

use ecru_model::{
    DescribeImageSigningStatusInput as Input, DescribeImageSigningStatusOutput as Output, ImageIdentifier,
    ImageSigningStatus, SigningProfileArn, SigningStatus,
};
use ecru_store::{Row, Snapshot, StoreError, Value, stored};

use crate::records::repositories::Repository;
use crate::{Context, Error, stored_images};

pub async fn describe_image_signing_status(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeImageSigningStatus", input.registry_id.as_ref());

    ctx.store
        .read(|at| {
            let repository = access.repository(at, &input.repository_name)?;
            let image = stored_images::load(at, &repository, &input.image_id)?;
            let statuses = statuses_of(at, &repository, image.id)?;

            Ok(Output {
                image_id: Some(ImageIdentifier {
                    image_digest: Some(image.digest.to_string()),
                    image_tag: input.image_id.image_tag,
                }),
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
                signing_statuses: Some(statuses),
            })
        })
        .await
}

/// At most one for each rule that any configuration contained while tags were set on the image.
fn statuses_of(
    at: &Snapshot<'_>,
    repository: &Repository,
    image_id: i64,
) -> Result<Vec<ImageSigningStatus>, StoreError> {
    at.query(
        "SELECT profile_arn, status, failure_code, failure_reason FROM signing_statuses
         WHERE repository_id = ?1 AND image_id = ?2 ORDER BY profile_arn LIMIT 1000",
        &[Value::Integer(repository.id), Value::Integer(image_id)],
        from_row,
    )
}

fn from_row(row: &Row<'_>) -> Result<ImageSigningStatus, StoreError> {
    Ok(ImageSigningStatus {
        signing_profile_arn: Some(stored(SigningProfileArn::parse(row.text(0)?))?),
        status: Some(stored(SigningStatus::parse(row.text(1)?))?),
        failure_code: row.optional_text(2)?.map(str::to_owned),
        failure_reason: row.optional_text(3)?.map(str::to_owned),
    })
}
