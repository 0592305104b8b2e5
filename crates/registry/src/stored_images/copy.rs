//! Copies an image, its layers and its tags from one repository into another: only rows and links are written, no bytes.

use bytes::Bytes;
use ecru_model::{Digest, ErrorCode, ImageTag};
use ecru_platform::clock::Moment;
use ecru_store::{Snapshot, StoreError, Tx, Value, links, stored};

use super::delete::{Deleted, delete_image_here, referenced_by, remove_tag};
use super::store_image::{NewImage, Origin, store_image};
use super::{find, find_tagged, manifest_of, tag_target};
use crate::Error;
use crate::context::StoreRules;
use crate::manifests::Manifest;
use crate::records::repositories::Repository;
use crate::records::tag_mutability::is_frozen;

/// An image in its source repository.
#[derive(Clone)]
pub(crate) struct Original {
    digest: Digest,
    manifest: Manifest,
    bytes: Bytes,
}

impl Original {
    pub(crate) fn find(
        at: &Snapshot<'_>,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Self>, StoreError> {
        let Some(image) = find(at, repository, digest)? else {
            return Ok(None);
        };
        let bytes = manifest_of(at, &image)?;
        Ok(Some(Self {
            digest: *digest,
            manifest: stored(Manifest::parse(&bytes, Some(&image.media_type)))?,
            bytes,
        }))
    }

    /// The images that an index names.
    pub(crate) fn children(&self) -> &[Digest] {
        &self.manifest.children
    }

    pub(crate) fn is_index(&self) -> bool {
        self.manifest.is_index()
    }

    /// The blobs that the image needs.
    pub(crate) fn layers(&self) -> Vec<Digest> {
        self.manifest.blobs.iter().map(|blob| blob.digest).collect()
    }
}

/// Lets a repository read these blobs of another repository.
pub(crate) fn link_layers(
    tx: &Tx<'_>,
    from: &Repository,
    to: &Repository,
    layers: &[Digest],
    machine_now: i64,
) -> Result<(), StoreError> {
    for digest in layers {
        let blob_id = tx.find(
            "SELECT b.id FROM blobs b JOIN links l ON l.blob_id = b.id
             WHERE b.digest = ?2 AND l.repository_id = ?1 AND b.damaged = 0",
            &[Value::Integer(from.id), Value::Blob(digest.as_bytes())],
            |row| row.integer(0),
        )?;
        if let Some(blob_id) = blob_id {
            links::insert(tx, to.id, blob_id, machine_now)?;
        }
    }
    Ok(())
}

/// Stores an image whose layers are linked and whose children exist. A tag that is frozen at another image is
/// left out.
pub(crate) fn store_copy(
    tx: &Tx<'_>,
    original: &Original,
    to: &Repository,
    tags: &[ImageTag],
    store_rules: &StoreRules,
) -> Result<(), Error> {
    let mut free = Vec::new();
    for tag in tags {
        if is_free(tx, to, tag)? {
            free.push(tag.clone());
        }
    }
    let copy = NewImage {
        digest: original.digest,
        manifest: original.manifest.clone(),
        bytes: original.bytes.clone(),
        tags: free,
        pushed_at: store_rules.at.now,
        origin: Origin::Replication,
    };
    store_image(store_rules, tx, to, &copy).map(drop)
}

fn is_free(at: &Snapshot<'_>, repository: &Repository, tag: &ImageTag) -> Result<bool, StoreError> {
    let frozen = is_frozen(
        repository.tag_mutability,
        &repository.exclusion_filters,
        tag.as_str(),
    );
    Ok(!frozen || tag_target(at, repository, tag.as_str())?.is_none())
}

/// Whether a tag points at exactly this image.
pub(crate) fn points_at(
    at: &Snapshot<'_>,
    repository: &Repository,
    tag: &ImageTag,
    digest: &Digest,
) -> Result<bool, StoreError> {
    let image = find_tagged(at, repository, tag.as_str())?;
    Ok(image.is_some_and(|image| image.digest == *digest))
}

/// Removes a tag if it points at the image; the image stays.
pub(crate) fn remove_copied_tag(
    tx: &Tx<'_>,
    repository: &Repository,
    tag: &ImageTag,
    digest: &Digest,
    at: Moment,
) -> Result<(), StoreError> {
    match find_tagged(tx, repository, tag.as_str())? {
        Some(image) if image.digest == *digest => remove_tag(tx, repository, &image, tag, at),
        _ => Ok(()),
    }
}

/// Deletes an image with its tags if it exists, unless an index there needs it.
pub(crate) fn remove_copy(
    tx: &Tx<'_>,
    repository: &Repository,
    digest: &Digest,
    store_rules: &StoreRules,
) -> Result<(), Error> {
    let Some(image) = find(tx, repository, digest)? else {
        return Ok(());
    };
    match delete_image_here(tx, repository, &image, store_rules)? {
        Deleted::Done { .. } => Ok(()),
        Deleted::ReferencedBy(indexes) => Err(Error::new(
            ErrorCode::InvalidParameterException,
            referenced_by(&indexes),
        )),
    }
}
