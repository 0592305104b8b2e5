//! The images of a repository: their rows and tags, how they are stored and deleted, and the error sentences about them.

pub(crate) mod copy;
mod delete;
pub(crate) mod load_manifest;
pub(crate) mod needs;
pub(crate) mod pulls;
mod selection;
mod storage_class;
mod store_image;

use bytes::Bytes;
use ecru_model::{Digest, ErrorCode, ImageIdentifier, ImageStatus, ImageTag, Timestamp};
use ecru_store::{Row, Snapshot, StoreError, Value, stored};

use crate::Error;
use crate::manifests::{self, Manifest, Reference};
use crate::ports::image_observer::ObservedImage;
use crate::records::repositories::Repository;

pub(crate) use delete::{Deleted, delete_image, delete_tag, indexes_of, referenced_by};
pub use load_manifest::{load_manifest, pull_manifest};
pub(crate) use selection::{Selector, failure, image_not_found, load, resolve, select};
pub(crate) use storage_class::{Activation, Following, active_at, archive, begin_activation};
pub(crate) use store_image::{NewImage, Origin, Outcome, read_manifest, store_image};

/// An image as lists show it: everything but its manifest.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) id: i64,
    pub(crate) digest: Digest,
    pub(crate) status: ImageStatus,
    pub(crate) pushed_at: Timestamp,
    pub(crate) size: i64,
    pub(crate) manifest_size: i64,
    pub(crate) media_type: String,
    pub(crate) artifact_media_type: Option<String>,
    pub(crate) subject: Option<Digest>,
    pub(crate) last_pulled_at: Option<Timestamp>,
    pub(crate) last_archived_at: Option<Timestamp>,
    pub(crate) last_activated_at: Option<Timestamp>,
}

impl Image {
    /// The image in the form that observers get.
    pub(crate) fn observed<'a>(&'a self, repository: &'a Repository) -> ObservedImage<'a> {
        ObservedImage {
            repository,
            id: self.id,
            digest: &self.digest,
            media_type: &self.media_type,
            artifact_media_type: self.artifact_media_type.as_deref(),
        }
    }

    /// The length of the texts that an earlier build stored at any length.
    pub(crate) fn text_bytes(&self) -> usize {
        self.media_type.len() + self.artifact_media_type.as_ref().map_or(0, String::len)
    }

    /// Reads the columns in the order in which every query here selects them.
    pub(crate) fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer(0)?,
            digest: stored(Digest::from_bytes(row.blob(1)?))?,
            status: stored(ImageStatus::parse(row.text(2)?))?,
            pushed_at: Timestamp::from_millis(row.integer(3)?),
            size: row.integer(4)?,
            manifest_size: row.integer(5)?,
            media_type: row.text(6)?.to_owned(),
            artifact_media_type: row.optional_text(7)?.map(str::to_owned),
            subject: row
                .optional_blob(8)?
                .map(|bytes| stored(Digest::from_bytes(bytes)))
                .transpose()?,
            last_pulled_at: row.optional_integer(9)?.map(Timestamp::from_millis),
            last_archived_at: row.optional_integer(10)?.map(Timestamp::from_millis),
            last_activated_at: row.optional_integer(11)?.map(Timestamp::from_millis),
        })
    }
}

pub(crate) fn find(
    at: &Snapshot<'_>,
    repository: &Repository,
    digest: &Digest,
) -> Result<Option<Image>, StoreError> {
    at.find(
        "SELECT id, digest, status, pushed_at, size, manifest_size, media_type, artifact_media_type, subject,
                last_pulled_at, last_archived_at, last_activated_at
         FROM images WHERE repository_id = ?1 AND digest = ?2",
        &[Value::Integer(repository.id), Value::Blob(digest.as_bytes())],
        Image::from_row,
    )
}

/// The stored images of all registries, in the order of their ids, from the one after `last`.
pub(crate) fn stored_after(at: &Snapshot<'_>, last: i64, rows_max: i64) -> Result<Vec<Image>, StoreError> {
    at.query(
        "SELECT i.id, i.digest, i.status, i.pushed_at, i.size, i.manifest_size, i.media_type,
                i.artifact_media_type, i.subject, i.last_pulled_at, i.last_archived_at, i.last_activated_at
         FROM images i JOIN repositories r ON r.id = i.repository_id
         WHERE i.id > ?1 AND r.deleted = 0 ORDER BY i.id LIMIT ?2",
        &[Value::Integer(last), Value::Integer(rows_max)],
        Image::from_row,
    )
}

pub(crate) fn find_tagged(
    at: &Snapshot<'_>,
    repository: &Repository,
    tag: &str,
) -> Result<Option<Image>, StoreError> {
    at.find(
        "SELECT i.id, i.digest, i.status, i.pushed_at, i.size, i.manifest_size, i.media_type,
                i.artifact_media_type, i.subject, i.last_pulled_at, i.last_archived_at, i.last_activated_at
         FROM tags t JOIN images i ON i.id = t.image_id WHERE t.repository_id = ?1 AND t.tag = ?2",
        &[Value::Integer(repository.id), Value::Text(tag)],
        Image::from_row,
    )
}

/// The image of a reference and its stored manifest, in one statement for pulls.
pub(crate) fn find_with_manifest(
    at: &Snapshot<'_>,
    repository: &Repository,
    reference: &Reference,
) -> Result<Option<(Image, Bytes)>, StoreError> {
    let (statement, key) = match reference {
        Reference::Tag(tag) => (
            "SELECT i.id, i.digest, i.status, i.pushed_at, i.size, i.manifest_size, i.media_type,
                    i.artifact_media_type, i.subject, i.last_pulled_at, i.last_archived_at, i.last_activated_at,
                    i.manifest
             FROM tags t JOIN images i ON i.id = t.image_id WHERE t.repository_id = ?1 AND t.tag = ?2",
            Value::Text(tag.as_str()),
        ),
        Reference::Digest(digest) => (
            "SELECT id, digest, status, pushed_at, size, manifest_size, media_type, artifact_media_type, subject,
                    last_pulled_at, last_archived_at, last_activated_at, manifest
             FROM images WHERE repository_id = ?1 AND digest = ?2",
            Value::Blob(digest.as_bytes()),
        ),
    };
    at.find(statement, &[Value::Integer(repository.id), key], |row| {
        Ok((Image::from_row(row)?, Bytes::copy_from_slice(row.blob(12)?)))
    })
}

/// The image that a tag points at.
pub(crate) fn tag_target(
    at: &Snapshot<'_>,
    repository: &Repository,
    tag: &str,
) -> Result<Option<i64>, StoreError> {
    at.find(
        "SELECT image_id FROM tags WHERE repository_id = ?1 AND tag = ?2",
        &[Value::Integer(repository.id), Value::Text(tag)],
        |row| row.integer(0),
    )
}

/// The tags of an image, in order.
pub(crate) fn tags_of(
    at: &Snapshot<'_>,
    repository: &Repository,
    image_id: i64,
) -> Result<Vec<ImageTag>, StoreError> {
    at.query(
        "SELECT tag FROM tags WHERE repository_id = ?1 AND image_id = ?2 ORDER BY tag",
        &[Value::Integer(repository.id), Value::Integer(image_id)],
        |row| stored(ImageTag::parse(row.text(0)?)),
    )
}

/// The layers of an image that may contain its files, the lowest first.
pub(crate) fn layers_of(at: &Snapshot<'_>, image: &Image) -> Result<Vec<Digest>, StoreError> {
    let manifest = manifest_of(at, image)?;
    let manifest = stored(Manifest::parse(&manifest, Some(&image.media_type)))?;
    let layers = manifest
        .blobs
        .iter()
        .filter(|blob| blob.media_type.contains("tar"));
    Ok(layers.map(|blob| blob.digest).collect())
}

/// The manifest of an image. It is hashed at each read, because nothing else shows that it has decayed.
pub(crate) fn manifest_of(at: &Snapshot<'_>, image: &Image) -> Result<Bytes, StoreError> {
    let manifest = at.find(
        "SELECT manifest FROM images WHERE id = ?1",
        &[Value::Integer(image.id)],
        |row| Ok(Bytes::copy_from_slice(row.blob(0)?)),
    )?;
    checked(image, manifest.unwrap_or_default())
}

pub(crate) fn checked(image: &Image, manifest: Bytes) -> Result<Bytes, StoreError> {
    Some(manifest)
        .filter(|manifest| manifests::is_named_by(&image.digest, &image.media_type, manifest))
        .ok_or_else(|| {
            StoreError::damaged(format!(
                "the stored manifest of image {} does not match its digest",
                image.digest
            ))
        })
}

pub(crate) fn identifier(digest: &Digest, tag: Option<&str>) -> ImageIdentifier {
    ImageIdentifier {
        image_digest: Some(digest.to_string()),
        image_tag: tag.map(str::to_owned),
    }
}

pub(crate) fn not_found(repository: &Repository, id: &ImageIdentifier) -> Error {
    Error::new(
        ErrorCode::ImageNotFoundException,
        format!(
            "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with name \
             '{}' in the registry with id '{}'",
            id.image_digest.as_deref().unwrap_or("null"),
            id.image_tag.as_deref().unwrap_or("null"),
            repository.name,
            repository.scope.registry_id,
        ),
    )
}
