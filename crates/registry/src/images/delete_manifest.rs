//! `DELETE /v2/<name>/manifests/<reference>`: as `BatchDeleteImage` by tag or by digest.

use ecru_model::{ErrorCode, RepositoryName};

use crate::manifests::Reference;
use crate::stored_images::{Deleted, delete_image, delete_tag, find, find_tagged, not_found, referenced_by};
use crate::{Context, Error};

pub async fn delete_manifest(
    ctx: &Context,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<(), Error> {
    let access = ctx.access("BatchDeleteImage", None);
    let (name, reference) = (repository.clone(), reference.clone());
    let store_rules = ctx.store_rules();

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            let missing = || not_found(&repository, &reference.identifier());
            let deleted = match &reference {
                Reference::Tag(tag) => {
                    let image = find_tagged(tx, &repository, tag.as_str())?.ok_or_else(missing)?;
                    delete_tag(tx, &repository, &image, tag, &store_rules)?
                }
                Reference::Digest(digest) => {
                    let image = find(tx, &repository, digest)?.ok_or_else(missing)?;
                    delete_image(tx, &repository, &image, &store_rules)?
                }
            };
            match deleted {
                Deleted::Done { .. } => Ok(()),
                Deleted::ReferencedBy(indexes) => Err(Error::new(
                    ErrorCode::InvalidParameterException,
                    referenced_by(&indexes),
                )),
            }
        })
        .await
}
