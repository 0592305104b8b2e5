//! `POST …/blobs/uploads/?mount=&from=`: makes a layer of one repository available in another repository of the registry.

use ecru_model::{Digest, ErrorCode, RepositoryName};
use ecru_store::{Blob, Snapshot, Store, links};

use super::find_linked;
use crate::access::Access;
use crate::records::registry_settings;
use crate::records::repositories::Repository;
use crate::{Context, Error};

/// Whether the layer was mounted; if not, the client uploads it. Without a source, nothing is mounted.
pub async fn mount_blob(
    ctx: &Context,
    repository: &RepositoryName,
    digest: &Digest,
    from: Option<&RepositoryName>,
) -> Result<bool, Error> {
    let mount = Mount {
        writing: ctx.access("InitiateLayerUpload", None),
        reading: ctx.access("GetDownloadUrlForLayer", None),
        target: repository.clone(),
        source: from.cloned(),
        digest: *digest,
    };
    let Some((_, blob)) = ctx.store.read(|at| mount.find(&ctx.store, at)).await? else {
        return Ok(false);
    };
    if !ctx.store.blobs().check(&blob).await? {
        return Ok(false);
    }

    let store = ctx.store.clone();
    let machine_now = ctx.clock.machine_milliseconds();
    ctx.store
        .write(move |tx| {
            // The repositories, the layer or the permission may be gone by now.
            let Some((target, blob)) = mount.find(&store, tx)? else {
                return Ok(false);
            };
            links::insert(tx, target.id, blob.id, machine_now)?;
            Ok(true)
        })
        .await
}

struct Mount {
    writing: Access,
    reading: Access,
    target: RepositoryName,
    source: Option<RepositoryName>,
    digest: Digest,
}

impl Mount {
    fn find(&self, store: &Store, at: &Snapshot<'_>) -> Result<Option<(Repository, Blob)>, Error> {
        let (Some(target), Some(source)) = (self.writing.find_repository(at, &self.target)?, &self.source)
        else {
            return Ok(None);
        };
        if !registry_settings::mounts_blobs(at, &target.scope)? {
            return Ok(None);
        }
        let reading = self.reading.in_region(target.scope.region.clone());
        let source = match reading.find_repository(at, source) {
            // Without permission to read the source, the answer is the same as if the source did not have the layer.
            Err(error) if error.code == ErrorCode::AccessDeniedException => return Ok(None),
            found => found?,
        };
        let Some(source) = source.filter(|source| source.encryption == target.encryption) else {
            return Ok(None);
        };
        Ok(find_linked(store, at, &source, &self.digest)?.map(|blob| (target, blob)))
    }
}
