//! `GetDownloadUrlForLayer`: an address from which anyone can fetch a layer for an hour.

use ecru_model::{
    Digest, ErrorCode, GetDownloadUrlForLayerInput as Input, GetDownloadUrlForLayerOutput as Output,
};

use super::{find_linked, is_archived, layer_not_found, media_type};
use crate::authorization::grant;
use crate::repositories::Repository;
use crate::{Context, Error};

pub async fn get_download_url_for_layer(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetDownloadUrlForLayer", input.registry_id.as_ref());

    let (repository, digest, blob, reachable) = ctx.store.read(|at| {
        let repository = access.repository(at, &input.repository_name)?;
        let missing = || layer_not_found(&repository, &input.layer_digest);
        let digest = Digest::parse(&input.layer_digest).map_err(|_| missing())?;
        let blob = find_linked(&ctx.store, at, &repository, &digest)?.ok_or_else(missing)?;
        let referenced = media_type(at, &repository, blob.id)?.is_some();
        let reachable = referenced && !is_archived(at, &repository, blob.id)?;
        Ok::<_, Error>((repository, digest, blob, reachable))
    })?;
    if !ctx.store.blobs().check(&blob).await? {
        return Err(layer_not_found(&repository, &input.layer_digest));
    }
    // A layer that no image needs may go at any time, and one of archived images only cannot be pulled like them.
    if !reachable {
        return Err(inaccessible(&repository, &digest));
    }

    let grant = grant(ctx, &access.scope, &repository.name, &digest);
    let download_url = format!(
        "{}/v2/{}/blobs/{digest}?grant={grant}",
        ctx.endpoint, repository.name
    );
    Ok(Output {
        download_url: Some(download_url),
        layer_digest: Some(digest.to_string()),
    })
}

fn inaccessible(repository: &Repository, digest: &Digest) -> Error {
    Error::new(
        ErrorCode::LayerInaccessibleException,
        format!(
            "The layer with digest '{digest}' is not available because it is not associated with an image in the \
             repository with name '{}' in the registry with id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}
