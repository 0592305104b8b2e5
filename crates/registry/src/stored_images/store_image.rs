//! Puts an image into a repository, for both wires: its layers and children must exist, and its tags must be free to move.

use std::cmp::max;

use bytes::Bytes;
use ecru_model::{Digest, ErrorCode, ImageStatus, ImageTag, Timestamp};
use ecru_store::{StoreError, Tx, Value};

use super::storage_class::{restore, restore_children};
use super::{Image, find, needs, tag_target, tags_of};
use crate::context::StoreRules;
use crate::manifests::{self, BlobReference, Manifest};
use crate::ports::image_observer::{Admission, ObservedImage};
use crate::quotas::{Quota, Quotas};
use crate::records::repositories::Repository;
use crate::records::tag_mutability::is_frozen;
use crate::{Error, events};

#[derive(Clone)]
pub(crate) struct NewImage {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) bytes: Bytes,
    pub(crate) tags: Vec<ImageTag>,
    pub(crate) pushed_at: Timestamp,
    pub(crate) origin: Origin,
}

impl NewImage {
    fn observed<'a>(&'a self, repository: &'a Repository, image_id: i64) -> ObservedImage<'a> {
        ObservedImage {
            repository,
            id: image_id,
            digest: &self.digest,
            media_type: &self.manifest.media_type,
            artifact_media_type: self.manifest.artifact_media_type.as_deref(),
        }
    }
}

/// How an image enters a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Push,
    /// From an upstream registry; the cache records its own event.
    Cache,
    /// From another registry; replication records its own event, and the image is not replicated further.
    Replication,
}

/// The result of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Changed,
    /// The image already had every requested tag.
    Unchanged,
}

pub(crate) fn store_image(
    store_rules: &StoreRules,
    tx: &Tx<'_>,
    repository: &Repository,
    new: &NewImage,
) -> Result<Outcome, Error> {
    let quotas = &store_rules.quotas;
    let existing = find(tx, repository, &new.digest)?;
    let references = match &existing {
        Some(image) => {
            mend(tx, image, new)?;
            References::default()
        }
        None => resolve(tx, repository, &new.manifest)?,
    };
    let moves = tags_to_move(tx, repository, existing.as_ref(), &new.tags)?;
    verify(store_rules, tx, repository, new, &moves)?;

    let is_new = existing.is_none();
    let restored = matches!(&existing, Some(image) if image.status != ImageStatus::Active);
    let image_id = match existing {
        Some(image) if restored => {
            // A push restores an archived image without the wait.
            restore(tx, repository, &image, store_rules)?;
            restore_children(tx, repository, &new.manifest, store_rules)?;
            image.id
        }
        Some(_) if moves.is_empty() => return Ok(Outcome::Unchanged),
        Some(image) => image.id,
        None => {
            restore_children(tx, repository, &new.manifest, store_rules)?;
            let image_id = insert(tx, quotas, repository, new, &references)?;
            let image = new.observed(repository, image_id);
            store_rules
                .observers
                .each(|observer| observer.inserted(tx, &image, new.pushed_at))?;
            image_id
        }
    };
    for tag in &moves {
        move_tag(tx, repository, tag, image_id)?;
    }
    // The row of a new image is inserted with its `tagged` column set, and it has no other tags than these.
    if !is_new || moves.len() as u64 > quotas.count(Quota::TagsPerImage) {
        set_tagged(tx, repository, image_id)?;
        check_tag_quota(tx, quotas, (repository, image_id), &moves)?;
    }
    let image = new.observed(repository, image_id);
    if new.origin == Origin::Push {
        store_rules
            .observers
            .each(|observer| observer.pushed(tx, &image, &new.manifest))?;
        record(tx, repository, new, &moves)?;
    }
    if new.origin != Origin::Replication {
        let tags = if restored {
            tags_of(tx, repository, image_id)?
        } else {
            moves.iter().map(|moved| moved.tag.clone()).collect()
        };
        store_rules
            .observers
            .each(|observer| observer.available(tx, &image, &tags, new.pushed_at))?;
    }
    store_rules
        .observers
        .each(|observer| observer.images_changed(tx, repository, new.pushed_at))?;
    Ok(Outcome::Changed)
}

/// The next push of the same bytes repairs a stored manifest that has decayed. An intact one stays, even if
/// the digest also names other bytes: the bytes behind a frozen tag must not change.
fn mend(tx: &Tx<'_>, image: &Image, new: &NewImage) -> Result<(), StoreError> {
    let decayed = tx.find(
        "SELECT manifest FROM images WHERE id = ?1 AND manifest <> ?2",
        &[Value::Integer(image.id), Value::Blob(&new.bytes)],
        |row| {
            let bytes = row.blob(0)?;
            Ok(!manifests::is_named_by(&image.digest, &image.media_type, bytes))
        },
    )?;
    if decayed != Some(true) {
        return Ok(());
    }
    let size = i64::try_from(new.bytes.len()).unwrap_or(i64::MAX);
    tx.execute(
        "UPDATE images SET manifest = ?2, manifest_size = ?3, media_type = ?4 WHERE id = ?1",
        &[
            Value::Integer(image.id),
            Value::Blob(&new.bytes),
            Value::Integer(size),
            Value::Text(&new.manifest.media_type),
        ],
    )
    .map(drop)
}

/// Records one event for each tag that was set, or one event for an image without tags.
fn record(
    tx: &Tx<'_>,
    repository: &Repository,
    new: &NewImage,
    moves: &[Move<'_>],
) -> Result<(), StoreError> {
    let about = events::About {
        scope: &repository.scope,
        repository: &repository.name,
        digest: &new.digest,
        media_type: &new.manifest.media_type,
        artifact_media_type: new.manifest.artifact_media_type.as_deref(),
        time: new.pushed_at,
    };
    if moves.is_empty() {
        return events::record(tx, &repository.scope, &events::image_pushed(&about, None));
    }
    for moved in moves {
        events::record(
            tx,
            &repository.scope,
            &events::image_pushed(&about, Some(moved.tag)),
        )?;
    }
    Ok(())
}

/// The references of the manifest, as rows of this repository.
#[derive(Default)]
struct References {
    blobs: Vec<(i64, String)>,
    children: Vec<i64>,
    /// The size of config and layers; for an index, the size of its largest child.
    size: i64,
}

impl References {
    /// A manifest may claim any size for a layer that is stored elsewhere.
    fn add(&mut self, size: i64) {
        self.size = self.size.saturating_add(size);
    }
}

fn resolve(tx: &Tx<'_>, repository: &Repository, manifest: &Manifest) -> Result<References, Error> {
    let mut references = References::default();
    let mut missing = Vec::new();
    for blob in &manifest.blobs {
        match find_linked(tx, repository, blob)? {
            Some((id, size)) => {
                references.blobs.push((id, blob.media_type.clone()));
                references.add(size);
            }
            None if blob.foreign => references.add(i64::try_from(blob.size).unwrap_or(i64::MAX)),
            None => missing.push(blob.digest),
        }
    }
    if !missing.is_empty() {
        return Err(layers_not_found(repository, &missing));
    }
    for child in &manifest.children {
        match find(tx, repository, child)? {
            Some(image) => {
                references.size = max(references.size, image.size);
                references.children.push(image.id);
            }
            None => missing.push(*child),
        }
    }
    if !missing.is_empty() {
        return Err(images_not_found(repository, &missing));
    }
    Ok(references)
}

fn find_linked(
    tx: &Tx<'_>,
    repository: &Repository,
    blob: &BlobReference,
) -> Result<Option<(i64, i64)>, StoreError> {
    // A blob known to be damaged is reported as absent everywhere, so that the push uploads it again.
    tx.find(
        "SELECT b.id, b.size FROM blobs b JOIN links l ON l.blob_id = b.id
         WHERE b.digest = ?2 AND l.repository_id = ?1 AND b.damaged = 0 AND (b.bytes IS NULL OR length(b.bytes) = b.size)",
        &[Value::Integer(repository.id), Value::Blob(blob.digest.as_bytes())],
        |row| Ok((row.integer(0)?, row.integer(1)?)),
    )
}

/// A tag that will point at the image, and the image it points at now.
struct Move<'a> {
    tag: &'a ImageTag,
    previous: Option<i64>,
}

/// The tags that do not yet point at the image. A frozen tag in use refuses every put, even of the same image.
fn tags_to_move<'a>(
    tx: &Tx<'_>,
    repository: &Repository,
    existing: Option<&Image>,
    tags: &'a [ImageTag],
) -> Result<Vec<Move<'a>>, Error> {
    let mut moves = Vec::<Move<'a>>::new();
    for tag in tags {
        let previous = tag_target(tx, repository, tag.as_str())?;
        let frozen = is_frozen(
            repository.tag_mutability,
            &repository.exclusion_filters,
            tag.as_str(),
        );
        let here = previous.is_some() && previous == existing.map(|image| image.id);
        // A restore from the archive does not move the tags of its own image.
        let comes_back = here && existing.is_some_and(|image| image.status != ImageStatus::Active);
        if previous.is_some() && frozen && !comes_back {
            return Err(tag_is_frozen(repository, tag));
        }
        if !here && !moves.iter().any(|other| other.tag == tag) {
            moves.push(Move { tag, previous });
        }
    }
    Ok(moves)
}

/// Called for every manifest, even one with a subject: an image must be signed before it gets a tag.
fn verify(
    store_rules: &StoreRules,
    tx: &Tx<'_>,
    repository: &Repository,
    new: &NewImage,
    moves: &[Move<'_>],
) -> Result<(), Error> {
    let tags = moves.iter().map(|moved| moved.tag).collect::<Vec<_>>();
    let admission = Admission {
        repository,
        digest: &new.digest,
        manifest: &new.bytes,
        tags: &tags,
    };
    store_rules
        .observers
        .each(|observer| observer.admit(tx, &admission))
}

fn insert(
    tx: &Tx<'_>,
    quotas: &Quotas,
    repository: &Repository,
    new: &NewImage,
    references: &References,
) -> Result<i64, Error> {
    let push_sequence = count_push(tx, quotas, repository)?;
    let manifest = &new.manifest;
    let subject = manifest.subject;
    let blob_ids = needs::count(tx, repository, &references.blobs)?;
    let parameters = [
        Value::Integer(repository.id),
        Value::Blob(new.digest.as_bytes()),
        Value::Integer(push_sequence),
        Value::Text(ImageStatus::Active.as_str()),
        Value::Integer(new.pushed_at.as_millis()),
        Value::Integer(references.size),
        Value::Integer(i64::try_from(new.bytes.len()).unwrap_or(i64::MAX)),
        Value::Text(&manifest.media_type),
        Value::from(manifest.artifact_media_type.as_deref()),
        Value::from(subject.as_ref().map(Digest::as_bytes)),
        Value::from(manifest.annotations.as_deref()),
        Value::from(!new.tags.is_empty()),
        Value::Blob(&blob_ids),
        Value::Blob(&new.bytes),
    ];
    let image_id = tx
        .returning(
            "INSERT INTO images (repository_id, digest, push_sequence, status, pushed_at, size, manifest_size,
                 media_type, artifact_media_type, subject, annotations, tagged, blob_ids, manifest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) RETURNING id",
            &parameters,
            |row| row.integer(0),
        )?
        .ok_or_else(|| StoreError::damaged("an inserted image has no row"))?;
    for child_id in &references.children {
        tx.execute(
            "INSERT INTO image_children (repository_id, child_id, index_id) VALUES (?1, ?2, ?3)",
            &[repository.id, *child_id, image_id].map(Value::Integer),
        )?;
    }
    Ok(image_id)
}

/// Counts one more image, and returns its position in the order of pushes.
fn count_push(tx: &Tx<'_>, quotas: &Quotas, repository: &Repository) -> Result<i64, Error> {
    let max = quotas.of(Quota::ImagesPerRepository);
    let counted = tx.returning(
        "UPDATE repository_counters SET images = images + 1, push_sequence = push_sequence + 1
         WHERE repository_id = ?1 AND images < ?2 RETURNING push_sequence",
        &[Value::Integer(repository.id), Value::Integer(max)],
        |row| row.integer(0),
    )?;
    counted.ok_or_else(|| {
        Error::new(
            ErrorCode::LimitExceededException,
            format!(
                "The repository with name '{}' in registry with id '{}' already has the maximum allowed number of \
                 images which is '{max}'",
                repository.name, repository.scope.registry_id
            ),
        )
    })
}

fn move_tag(tx: &Tx<'_>, repository: &Repository, moved: &Move<'_>, image_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO tags (repository_id, tag, image_id) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository_id, tag) DO UPDATE SET image_id = excluded.image_id",
        &[
            Value::Integer(repository.id),
            Value::Text(moved.tag.as_str()),
            Value::Integer(image_id),
        ],
    )?;
    match moved.previous {
        Some(previous) => set_tagged(tx, repository, previous),
        None => Ok(()),
    }
}

/// Updates the `tagged` column of an image to match its tags.
pub(crate) fn set_tagged(tx: &Tx<'_>, repository: &Repository, image_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE images SET tagged = 1 - tagged WHERE id = ?2
             AND tagged <> CASE WHEN EXISTS
             (SELECT 1 FROM tags WHERE repository_id = ?1 AND image_id = ?2) THEN 1 ELSE 0 END",
        &[Value::Integer(repository.id), Value::Integer(image_id)],
    )?;
    Ok(())
}

/// Refuses the first tag that exceeds the quota.
fn check_tag_quota(
    tx: &Tx<'_>,
    quotas: &Quotas,
    (repository, image_id): (&Repository, i64),
    moves: &[Move<'_>],
) -> Result<(), Error> {
    let max = quotas.of(Quota::TagsPerImage);
    let over = tx.query(
        "SELECT 1 FROM tags WHERE repository_id = ?1 AND image_id = ?2 LIMIT ?4 OFFSET ?3",
        &[
            Value::Integer(repository.id),
            Value::Integer(image_id),
            Value::Integer(max),
            Value::Integer(i64::try_from(moves.len()).unwrap_or(i64::MAX)),
        ],
        |row| row.integer(0),
    )?;
    match moves.get(moves.len().saturating_sub(over.len())) {
        None => Ok(()),
        Some(excess) => Err(Error::new(
            ErrorCode::LimitExceededException,
            format!(
                "Adding tag '{}' to an image in the repository with name '{}' in registry with id '{}' exceeds the \
                 maximum allowed number of tags per image which is '{max}'",
                excess.tag, repository.name, repository.scope.registry_id
            ),
        )),
    }
}

fn tag_is_frozen(repository: &Repository, tag: &ImageTag) -> Error {
    Error::new(
        ErrorCode::ImageTagAlreadyExistsException,
        format!(
            "The image tag '{tag}' already exists in the '{}' repository and cannot be overwritten because the tag is \
             immutable.",
            repository.name
        ),
    )
}

fn layers_not_found(repository: &Repository, missing: &[Digest]) -> Error {
    Error::new(
        ErrorCode::LayersNotFoundException,
        required(repository, "Layers", missing),
    )
}

fn images_not_found(repository: &Repository, missing: &[Digest]) -> Error {
    Error::new(
        ErrorCode::ReferencedImagesNotFoundException,
        required(repository, "Images", missing),
    )
}

fn required(repository: &Repository, what: &str, missing: &[Digest]) -> String {
    let digests = missing
        .iter()
        .map(Digest::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "{what} with digests '[{digests}]' required for pushing image into repository with name '{}' in the registry \
         with id '{}' do not exist",
        repository.name, repository.scope.registry_id
    )
}

/// Reads a manifest, or returns ECR's one sentence about an invalid one. The reason becomes the cause and a
/// line of the log, because the sentence gives a client few details.
pub(crate) fn read_manifest(bytes: &[u8], media_type: Option<&str>) -> Result<Manifest, Error> {
    Manifest::accept(bytes, media_type).map_err(|error| {
        let reason = error.reason();
        tracing::debug!(reason, "a manifest is refused");
        Error::parameter("ImageManifest", "Invalid JSON syntax").caused_by(reason)
    })
}
