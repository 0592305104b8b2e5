//! `POST …/blobs/uploads/?mount=&from=`: lets a repository have a layer that another of the registry has.

use ecru_model::{Digest, RepositoryName};
use ecru_store::links;

use super::find_linked;
use crate::context::Wanted;
use crate::{Context, Error, registry_settings, repositories};

/// Whether the layer was mounted; if not, the client uploads it. Without a source nothing is mounted.
pub async fn mount_blob(
    ctx: &Context,
    repository: &RepositoryName,
    digest: &Digest,
    from: Option<&RepositoryName>,
) -> Result<bool, Error> {
    let scope = ctx.registry(None, Wanted::on("InitiateLayerUpload", repository))?;
    let found = ctx.store.read(|at| {
        let target = repositories::load(at, &scope, repository)?;
        let Some(from) = from.filter(|_| registry_settings::mounts_blobs(at, &scope).unwrap_or(false)) else {
            return Ok(None);
        };
        let Some(source) = repositories::find(at, &scope, from)? else {
            return Ok(None);
        };
        if source.encryption != target.encryption {
            return Ok(None);
        }
        Ok::<_, Error>(find_linked(&ctx.store, at, &source, digest)?.map(|blob| (target, source, blob)))
    })?;
    let Some((target, source, blob)) = found else {
        return Ok(false);
    };
    if ctx
        .registry(None, Wanted::on("GetDownloadUrlForLayer", &source.name))
        .is_err()
        || !ctx.store.blobs().check(&blob).await?
    {
        return Ok(false);
    }

    let store = ctx.store.clone();
    let digest = *digest;
    let machine_now = ctx.clock.machine_milliseconds();
    ctx.store
        .write(move |tx| {
            // Both repositories and the layer may have gone since.
            let target = repositories::load(tx, &target.scope, &target.name)?;
            let Some(source) = repositories::find(tx, &source.scope, &source.name)? else {
                return Ok(false);
            };
            let Some(blob) = find_linked(&store, tx, &source, &digest)? else {
                return Ok(false);
            };
            links::insert(tx, target.id, blob.id, machine_now)?;
            Ok(true)
        })
        .await
}
