//! `GetDownloadUrlForLayer`: returns an address from which any client can fetch a layer for an hour.

use ecru_model::{
    Digest, ErrorCode, GetDownloadUrlForLayerInput as Input, GetDownloadUrlForLayerOutput as Output,
    RepositoryName, Scope,
};

use crate::access::Access;
use crate::authorization::grant;
use crate::records::repositories::Repository;
use crate::stored_layers::{find_linked, is_archived, layer_not_found, media_type};
use crate::{Context, Error, pull_through_cache};

pub async fn get_download_url_for_layer(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetDownloadUrlForLayer", input.registry_id.as_ref());

    let looked_up = ctx
        .store
        .read(|at| {
            let repository = access.repository(at, &input.repository_name)?;
            let missing = || layer_not_found(&repository, &input.layer_digest);
            let digest = Digest::parse(&input.layer_digest).map_err(|_| missing())?;
            let blob = find_linked(&ctx.store, at, &repository, &digest)?.ok_or_else(missing)?;
            let referenced = media_type(at, &repository, blob.id)?.is_some();
            let held = match referenced {
                true if is_archived(at, &repository, blob.id)? => Held::Archived,
                true => Held::Reachable,
                false => Held::Unneeded,
            };
            Ok::<_, Error>((repository, digest, blob, held))
        })
        .await;
    let (repository, digest, blob, held) = match looked_up {
        Err(missing) if ctx.caching.is_on() => return from_upstream(ctx, &access, &input, missing).await,
        looked_up => looked_up?,
    };
    if !ctx.store.blobs().check(&blob).await? {
        return Err(layer_not_found(&repository, &input.layer_digest));
    }
    // A layer that no image needs may be deleted at any time. A layer of archived images only cannot be
    // pulled, like these images.
    match held {
        Held::Reachable => {}
        Held::Unneeded if ctx.caching.is_on() => {
            return from_upstream(ctx, &access, &input, inaccessible(&repository, &digest)).await;
        }
        Held::Unneeded | Held::Archived => return Err(inaccessible(&repository, &digest)),
    }
    Ok(address(ctx, &access.scope, &repository.name, &digest))
}

/// The state of a layer by the images of the repository that need it.
enum Held {
    Reachable,
    Archived,
    Unneeded,
}

/// The address of a layer that the cache fetches when the address is used, or that it keeps for an import under way.
async fn from_upstream(
    ctx: &Context,
    access: &Access,
    input: &Input,
    missing: Error,
) -> Result<Output, Error> {
    let absent = matches!(
        missing.code,
        ErrorCode::RepositoryNotFoundException
            | ErrorCode::LayersNotFoundException
            | ErrorCode::LayerInaccessibleException
    );
    let (Ok(digest), true) = (Digest::parse(&input.layer_digest), absent) else {
        return Err(missing);
    };
    let name = &input.repository_name;
    if !pull_through_cache::offers_layer(ctx, input.registry_id.as_ref(), name, &digest).await? {
        return Err(missing);
    }
    Ok(address(ctx, &access.scope, name, &digest))
}

fn address(ctx: &Context, scope: &Scope, repository: &RepositoryName, digest: &Digest) -> Output {
    let grant = grant(ctx, scope, repository, digest);
    let download_url = format!("{}/v2/{}/blobs/{digest}?grant={grant}", ctx.endpoint, repository);
    Output {
        download_url: Some(download_url),
        layer_digest: Some(digest.to_string()),
    }
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
