//! `BatchDeleteImage`: removes tags, and deletes images that are named by digest or lose their last tag.

use ecru_model::{
    BatchDeleteImageInput as Input, BatchDeleteImageOutput as Output, Digest, ImageFailureCode,
    ImageIdentifier, ImageTag,
};
use ecru_platform::paging::{ROW_BYTES, Room};
use ecru_store::Tx;

use crate::context::StoreRules;
use crate::records::repositories::Repository;
use crate::stored_images::{
    Deleted, Image, Selector, delete_image, delete_tag, failure, identifier, referenced_by, select,
};
use crate::{Context, Error};

pub async fn batch_delete_image(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("BatchDeleteImage", input.registry_id.as_ref());
    let (name, ids) = (input.repository_name, input.image_ids);
    let store_rules = ctx.store_rules();

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            let room = Room::new(0);
            let mut deleted = Vec::new();
            let mut failures = Vec::new();
            for id in &ids {
                let selected = match select(tx, &repository, id)? {
                    Ok(selected) => selected,
                    // An image that is named twice is reported once.
                    Err(_) if deleted.iter().any(|gone| covers(gone, id)) => continue,
                    Err(failure) => {
                        failures.push(failure);
                        continue;
                    }
                };
                let digest = selected.0.digest;
                match delete(tx, &repository, selected, &store_rules)? {
                    Deleted::Done { tags } => {
                        let bytes = tags.iter().map(|tag| tag.as_str().len() + ROW_BYTES);
                        room.take_named(bytes.sum())?;
                        report(&mut deleted, &digest, &tags);
                    }
                    Deleted::ReferencedBy(indexes) => failures.push(referenced(id, &indexes)),
                }
            }
            Ok(Output {
                image_ids: Some(deleted),
                failures: Some(failures),
            })
        })
        .await
}

fn delete(
    tx: &Tx<'_>,
    repository: &Repository,
    (image, selector): (Image, Selector),
    store_rules: &StoreRules,
) -> Result<Deleted, Error> {
    match selector {
        Selector::Digest(_) => delete_image(tx, repository, &image, store_rules),
        Selector::Tag(tag) | Selector::Both(_, tag) => delete_tag(tx, repository, &image, &tag, store_rules),
    }
}

/// Whether an id that matches nothing any more named what was just deleted.
fn covers(gone: &ImageIdentifier, id: &ImageIdentifier) -> bool {
    let digest = id.image_digest.is_none() || id.image_digest == gone.image_digest;
    let tag = id.image_tag.is_none() || id.image_tag == gone.image_tag;
    digest && tag && (id.image_digest.is_some() || id.image_tag.is_some())
}

fn report(deleted: &mut Vec<ImageIdentifier>, digest: &Digest, tags: &[ImageTag]) {
    if tags.is_empty() {
        deleted.push(identifier(digest, None));
    }
    deleted.extend(tags.iter().map(|tag| identifier(digest, Some(tag.as_str()))));
}

fn referenced(id: &ImageIdentifier, indexes: &[Digest]) -> ecru_model::ImageFailure {
    failure(
        id,
        ImageFailureCode::ImageReferencedByManifestList,
        referenced_by(indexes),
    )
}
