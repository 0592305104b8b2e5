//! Deletes tags and images of a repository, for both wires.

use ecru_model::{Digest, ImageTag};
use ecru_platform::clock::Moment;
use ecru_store::{StoreError, Tx, Value, stored};

use super::storage_class::subject_left;
use super::store_image::set_tagged;
use super::{Image, manifest_of, needs, tags_of};
use crate::context::StoreRules;
use crate::manifests::Manifest;
use crate::records::repositories::Repository;
use crate::{Error, events};

/// Removes a tag. An image that loses its last tag is deleted too, unless an index needs it.
pub(crate) fn delete_tag(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    tag: &ImageTag,
    store_rules: &StoreRules,
) -> Result<Deleted, Error> {
    let last = tags_of(tx, repository, image.id)?.len() <= 1;
    if last {
        return match delete_image(tx, repository, image, store_rules)? {
            Deleted::Done { .. } => Ok(Deleted::Done {
                tags: vec![tag.clone()],
            }),
            referenced @ Deleted::ReferencedBy(_) => Ok(referenced),
        };
    }
    remove_tag(tx, repository, image, tag, store_rules.at)?;
    store_rules
        .observers
        .each(|observer| observer.tag_removed(tx, &image.observed(repository), tag))?;
    Ok(Deleted::Done {
        tags: vec![tag.clone()],
    })
}

/// Removes a tag. The image stays, even without any tag.
pub(crate) fn remove_tag(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    tag: &ImageTag,
    at: Moment,
) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM tags WHERE repository_id = ?1 AND tag = ?2",
        &[Value::Integer(repository.id), Value::Text(tag.as_str())],
    )?;
    set_tagged(tx, repository, image.id)?;
    record(tx, repository, image, std::slice::from_ref(tag), at)
}

pub(crate) enum Deleted {
    /// The image or its tags were deleted; `tags` lists the removed tags.
    Done { tags: Vec<ImageTag> },
    /// Nothing changed, because these indexes name the image.
    ReferencedBy(Vec<Digest>),
}

/// Deletes an image with all its tags, here and in every registry that deletions are replicated to.
pub(crate) fn delete_image(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    store_rules: &StoreRules,
) -> Result<Deleted, Error> {
    let deleted = delete_image_here(tx, repository, image, store_rules)?;
    if matches!(deleted, Deleted::Done { .. }) {
        store_rules
            .observers
            .each(|observer| observer.deleted(tx, &image.observed(repository)))?;
    }
    Ok(deleted)
}

pub(crate) fn delete_image_here(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    store_rules: &StoreRules,
) -> Result<Deleted, Error> {
    let at = store_rules.at;
    let indexes = indexes_of(tx, repository, image)?;
    if !indexes.is_empty() {
        return Ok(Deleted::ReferencedBy(indexes));
    }
    let tags = tags_of(tx, repository, image.id)?;
    let manifest = stored(Manifest::parse(&manifest_of(tx, image)?, Some(&image.media_type)))?;
    tx.execute(
        "DELETE FROM tags WHERE repository_id = ?1 AND image_id = ?2",
        &[Value::Integer(repository.id), Value::Integer(image.id)],
    )?;
    needs::release(tx, repository, image, at.machine_now)?;
    // Earlier builds stored other kinds of manifest that also name images.
    if !manifest.children.is_empty() {
        release_children(tx, repository, image, &manifest)?;
    }
    store_rules
        .observers
        .each(|observer| observer.removing(tx, &image.observed(repository)))?;
    tx.execute("DELETE FROM images WHERE id = ?1", &[Value::Integer(image.id)])?;
    tx.execute(
        "UPDATE repository_counters SET images = images - 1 WHERE repository_id = ?1",
        &[Value::Integer(repository.id)],
    )?;
    record(tx, repository, image, &tags, at)?;
    subject_left(tx, repository, &image.digest, at.now)?;
    Ok(Deleted::Done { tags })
}

/// Records one event for each removed tag, or one event for an image without tags.
fn record(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    tags: &[ImageTag],
    at: Moment,
) -> Result<(), StoreError> {
    let about = events::About {
        scope: &repository.scope,
        repository: &repository.name,
        digest: &image.digest,
        media_type: &image.media_type,
        artifact_media_type: image.artifact_media_type.as_deref(),
        time: at.now,
    };
    if tags.is_empty() {
        return events::record(tx, &repository.scope, &events::image_deleted(&about, None));
    }
    for tag in tags {
        events::record(tx, &repository.scope, &events::image_deleted(&about, Some(tag)))?;
    }
    Ok(())
}

pub(crate) fn indexes_of(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
) -> Result<Vec<Digest>, StoreError> {
    tx.query(
        "SELECT i.digest FROM image_children c JOIN images i ON i.id = c.index_id
         WHERE c.repository_id = ?1 AND c.child_id = ?2 ORDER BY c.index_id",
        &[Value::Integer(repository.id), Value::Integer(image.id)],
        |row| stored(Digest::from_bytes(row.blob(0)?)),
    )
}

fn release_children(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    manifest: &Manifest,
) -> Result<(), StoreError> {
    for child in &manifest.children {
        tx.execute(
            "DELETE FROM image_children WHERE repository_id = ?1 AND index_id = ?2
                 AND child_id = (SELECT id FROM images WHERE repository_id = ?1 AND digest = ?3)",
            &[
                Value::Integer(repository.id),
                Value::Integer(image.id),
                Value::Blob(child.as_bytes()),
            ],
        )?;
    }
    Ok(())
}

/// Names only the first indexes: any number of them may name an image. [unknown] where the service stops.
pub(crate) fn referenced_by(indexes: &[Digest]) -> String {
    const NAMED_MAX: usize = 100;

    let indexes = indexes
        .iter()
        .take(NAMED_MAX)
        .map(Digest::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    format!("Requested image referenced by manifest list: [{indexes}]")
}
