//! `BatchCheckLayerAvailability`: reports which layers a repository has.

use ecru_model::{
    BatchCheckLayerAvailabilityInput as Input, BatchCheckLayerAvailabilityOutput as Output, Digest, Layer,
    LayerAvailability, LayerFailure, LayerFailureCode,
};
use ecru_platform::paging::{ROW_BYTES, Room};
use ecru_store::Blob;

use crate::records::repositories::Repository;
use crate::stored_layers::{answered_as_existing, find_linked, is_archived, load, media_type};
use crate::{Context, Error};

pub async fn batch_check_layer_availability(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("BatchCheckLayerAvailability", input.registry_id.as_ref());
    let repository = load(ctx, &access, &input.repository_name).await?;

    let room = Room::new(0);
    let mut layers = Vec::new();
    let mut failures = Vec::new();
    let mut available = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for text in input
        .layer_digests
        .iter()
        .filter(|text| seen.insert(text.as_str()))
    {
        if ecru_model::rules::LAYER_DIGEST.check(text).is_err() {
            failures.push(invalid(text));
            continue;
        }
        match look_up(ctx, &repository, text).await? {
            Some(found) => {
                let bytes = found.media_type.as_ref().map_or(0, String::len);
                room.take_named(bytes + ROW_BYTES)?;
                available.push((found.blob.id, layers.len()));
                layers.push(layer(
                    text,
                    found.availability,
                    Some(found.blob.size),
                    found.media_type,
                ));
            }
            None => layers.push(layer(text, LayerAvailability::Unavailable, None, None)),
        }
    }
    let ids = available.iter().map(|(blob_id, _)| *blob_id).collect();
    let gone = answered_as_existing(ctx, repository.id, ids).await?;
    for (_, index) in available.iter().filter(|(blob_id, _)| gone.contains(blob_id)) {
        if let Some(listed) = layers.get_mut(*index) {
            let text = listed.layer_digest.clone().unwrap_or_default();
            *listed = layer(&text, LayerAvailability::Unavailable, None, None);
        }
    }

    Ok(Output {
        layers: Some(layers),
        failures: Some(failures),
    })
}

struct Found {
    blob: Blob,
    media_type: Option<String>,
    availability: LayerAvailability,
}

async fn look_up(ctx: &Context, repository: &Repository, text: &str) -> Result<Option<Found>, Error> {
    let Ok(digest) = Digest::parse(text) else {
        return Ok(None);
    };
    let found = ctx
        .store
        .read(|at| {
            let Some(blob) = find_linked(&ctx.store, at, repository, &digest)? else {
                return Ok(None);
            };
            let availability = if is_archived(at, repository, blob.id)? {
                LayerAvailability::Archived
            } else {
                LayerAvailability::Available
            };
            Ok::<_, Error>(Some(Found {
                media_type: media_type(at, repository, blob.id)?,
                blob,
                availability,
            }))
        })
        .await?;
    let Some(found) = found else { return Ok(None) };
    Ok(ctx.store.blobs().check(&found.blob).await?.then_some(found))
}

fn layer(
    digest: &str,
    availability: LayerAvailability,
    size: Option<u64>,
    media_type: Option<String>,
) -> Layer {
    Layer {
        layer_digest: Some(digest.to_owned()),
        layer_availability: Some(availability),
        layer_size: size.map(u64::cast_signed),
        media_type,
    }
}

fn invalid(digest: &str) -> LayerFailure {
    LayerFailure {
        layer_digest: Some(digest.to_owned()),
        failure_code: Some(LayerFailureCode::InvalidLayerDigest),
        failure_reason: Some(
            "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
                .to_owned(),
        ),
    }
}
