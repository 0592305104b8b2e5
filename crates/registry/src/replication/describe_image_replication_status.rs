//! `DescribeImageReplicationStatus`: the status of an image's replication to each other registry.

use ecru_model::{
    DescribeImageReplicationStatusInput as Input, DescribeImageReplicationStatusOutput as Output,
};

use super::record;
use crate::{Context, Error, stored_images};

pub async fn describe_image_replication_status(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeImageReplicationStatus", input.registry_id.as_ref());

    ctx.store
        .read(|at| {
            let repository = access.repository(at, &input.repository_name)?;
            let image = stored_images::load(at, &repository, &input.image_id)?;
            let statuses = record::statuses(at, &repository, &image.digest)?;
            let tag = input.image_id.image_tag.as_deref();
            Ok(Output {
                repository_name: Some(repository.name),
                image_id: Some(stored_images::identifier(&image.digest, tag)),
                replication_statuses: Some(statuses),
            })
        })
        .await
}
