//! `UploadLayerPart`: appends the next part of a layer.

use bytes::Bytes;
use ecru_model::{ErrorCode, UploadLayerPartInput as Input, UploadLayerPartOutput as Output};
use ecru_store::{ByteSource, UploadId};

use crate::quotas::Quota;
use crate::records::repositories::Repository;
use crate::stored_layers::upload::parse_id;
use crate::stored_layers::{
    append_failed, invalid_part, layer_bytes_max, load, out_of_order, take, upload_not_found,
};
use crate::{Context, Error};

pub async fn upload_layer_part(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("UploadLayerPart", input.registry_id.as_ref());
    let repository = load(ctx, &access, &input.repository_name).await?;
    let id = parse_id(&repository, input.upload_id.as_str())?;

    let mut upload = take(ctx, &repository, &id).await?;
    let part = Part {
        first: input.part_first_byte,
        last: input.part_last_byte,
        bytes: input.layer_part_blob,
    };
    part.check(&repository, &id, upload.offset())?;
    let parts_max = ctx.configuration.quotas.count(Quota::LayerParts);
    if upload.part_count() >= parts_max {
        return Err(too_many_parts(parts_max));
    }
    let room = layer_bytes_max(ctx).saturating_sub(upload.offset());
    upload
        .append_part(&mut Whole::from(part.bytes), room)
        .await
        .map_err(|error| append_failed(ctx, error, || upload_not_found(&repository, &id)))?;

    Ok(Output {
        registry_id: Some(repository.scope.registry_id),
        repository_name: Some(repository.name),
        upload_id: Some(input.upload_id),
        last_byte_received: Some(part.last),
    })
}

struct Part {
    first: i64,
    last: i64,
    bytes: Vec<u8>,
}

impl Part {
    fn check(&self, repository: &Repository, id: &UploadId, held: u64) -> Result<(), Error> {
        let first = u64::try_from(self.first).unwrap_or(u64::MAX);
        if first != held {
            return Err(out_of_order(repository, id, first, held));
        }
        let length = self
            .last
            .checked_sub(self.first)
            .and_then(|length| length.checked_add(1));
        // Both positions are inclusive, so they cannot describe an empty part.
        let agree = length.and_then(|length| usize::try_from(length).ok()) == Some(self.bytes.len());
        if !agree || self.bytes.is_empty() {
            let reason = format!(
                "The layer part holds {} bytes, which is not what partFirstByte {} and partLastByte {} say",
                self.bytes.len(),
                self.first,
                self.last
            );
            return Err(invalid_part(repository, id, held, reason));
        }
        Ok(())
    }
}

/// Bytes that have all arrived.
struct Whole(Option<Bytes>);

impl From<Vec<u8>> for Whole {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Some(bytes.into()))
    }
}

impl ByteSource for Whole {
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        self.0.take().map(Ok)
    }
}

fn too_many_parts(max: u64) -> Error {
    Error::new(
        ErrorCode::LimitExceededException,
        format!("The upload already has the maximum allowed number of parts which is '{max}'"),
    )
}
