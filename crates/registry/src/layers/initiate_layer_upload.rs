//! `InitiateLayerUpload`: begins the upload of a layer.

use ecru_model::{
    DigestAlgorithm, InitiateLayerUploadInput as Input, InitiateLayerUploadOutput as Output, UploadId,
};
use ecru_store::stored;

use crate::stored_layers::upload::begin;
use crate::{Context, Error};

/// The part size that ECR recommends.
const PART_SIZE_BYTES: i64 = 10 * 1024 * 1024;

pub async fn initiate_layer_upload(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("InitiateLayerUpload", input.registry_id.as_ref());

    let id = begin(ctx, access, input.repository_name, DigestAlgorithm::Sha256).await?;

    let upload_id = stored(UploadId::parse(id.to_string()))?;
    Ok(Output {
        upload_id: Some(upload_id),
        part_size: Some(PART_SIZE_BYTES),
    })
}
