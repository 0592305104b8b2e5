//! Checks one image after the other against its manifest.

use std::ops::ControlFlow;

use ecru_model::Digest;
use ecru_store::{Row, Snapshot, StoreError, Value, stored};

use crate::manifests::{self, BlobReference, Manifest};
use crate::stored_images::needs;

const IMAGES_AT_ONCE: i64 = 100;

/// The number of images that were checked after an id, the last of them, and their errors.
pub(super) fn verify_some(
    at: &Snapshot<'_>,
    last: i64,
) -> Result<(u64, Option<i64>, Vec<String>), StoreError> {
    let (mut count, mut end, mut complaints) = (0, None, Vec::new());
    at.each(
        "SELECT i.id, i.repository_id, i.digest, i.media_type, i.manifest_size, r.account, r.region, r.name, i.size,
                i.artifact_media_type, i.subject, i.annotations, i.blob_ids, i.manifest
         FROM images i JOIN repositories r ON r.id = i.repository_id
         WHERE i.id > ?1 AND r.deleted = 0 ORDER BY i.id LIMIT ?2",
        &[Value::Integer(last), Value::Integer(IMAGES_AT_ONCE)],
        &mut |row| {
            count += 1;
            end = Some(row.integer(0)?);
            if let Some(complaint) = complaint(at, row)? {
                let place = [row.text(5)?, row.text(6)?, row.text(7)?].join("/");
                let digest = stored(Digest::from_bytes(row.blob(2)?))?;
                complaints.push(format!("image {place}@{digest} {complaint}"));
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok((count, end, complaints))
}

fn complaint(at: &Snapshot<'_>, row: &Row<'_>) -> Result<Option<String>, StoreError> {
    let digest = stored(Digest::from_bytes(row.blob(2)?))?;
    let bytes = row.blob(13)?;
    if !manifests::is_named_by(&digest, row.text(3)?, bytes) {
        let computed = Digest::computed(digest.algorithm(), bytes);
        return Ok(Some(format!(
            "is damaged: its manifest has the digest {computed}"
        )));
    }
    if usize::try_from(row.integer(4)?).ok() != Some(bytes.len()) {
        return Ok(Some(
            "is listed with another size than its manifest has".to_owned(),
        ));
    }
    let Ok(manifest) = Manifest::parse(bytes, Some(row.text(3)?)) else {
        return Ok(Some("has a manifest that cannot be read".to_owned()));
    };
    if let Some(column) = differing_column(row, &manifest)? {
        return Ok(Some(format!("is listed with {column} than its manifest has")));
    }
    let needed = needs::blob_ids(row.blob(12)?)?;
    unmet_need(at, row, &manifest, &needed)
}

/// A column that differs from the manifest from which it was copied.
fn differing_column(row: &Row<'_>, manifest: &Manifest) -> Result<Option<&'static str>, StoreError> {
    let subject = manifest.subject.as_ref().map(Digest::as_bytes);
    let differs = [
        (row.text(3)? != manifest.media_type, "another media type"),
        (
            row.optional_text(9)? != manifest.artifact_media_type.as_deref(),
            "another artifact type",
        ),
        (row.optional_blob(10)? != subject, "another subject"),
        (
            row.optional_text(11)? != manifest.annotations.as_deref(),
            "other annotations",
        ),
    ];
    Ok(differs
        .into_iter()
        .find_map(|(differs, column)| differs.then_some(column)))
}

/// A reference of the manifest without a row, or a row without a reference, or a wrong sum of sizes.
fn unmet_need(
    at: &Snapshot<'_>,
    row: &Row<'_>,
    manifest: &Manifest,
    needed: &[i64],
) -> Result<Option<String>, StoreError> {
    let (image_id, repository_id) = (row.integer(0)?, row.integer(1)?);
    let (mut size, mut met) = (0_i64, 0);
    for blob in &manifest.blobs {
        let linked = linked_blob(at, repository_id, &blob.digest)?.filter(|(id, _)| needed.contains(id));
        met += usize::from(linked.is_some());
        match linked {
            Some((_, blob_size)) => size = size.saturating_add(blob_size),
            None if blob.foreign => size = size.saturating_add(claimed(blob)),
            None => return Ok(Some(format!("needs blob {}, but no row links it", blob.digest))),
        }
    }
    if met != needed.len() {
        return Ok(Some(
            "is listed with blobs that its manifest does not name".to_owned(),
        ));
    }
    for child in &manifest.children {
        match named_child(at, (image_id, repository_id), child)? {
            Some(child_size) => size = size.max(child_size),
            None => return Ok(Some(format!("names image {child}, but no row links it"))),
        }
    }
    Ok((row.integer(8)? != size)
        .then(|| "is listed with a size that does not match what it names".to_owned()))
}

fn claimed(blob: &BlobReference) -> i64 {
    i64::try_from(blob.size).unwrap_or(i64::MAX)
}

fn linked_blob(
    at: &Snapshot<'_>,
    repository_id: i64,
    digest: &Digest,
) -> Result<Option<(i64, i64)>, StoreError> {
    at.find(
        "SELECT b.id, b.size FROM blobs b JOIN links l ON l.blob_id = b.id AND l.repository_id = ?1
         WHERE b.digest = ?2",
        &[Value::Integer(repository_id), Value::Blob(digest.as_bytes())],
        |row| Ok((row.integer(0)?, row.integer(1)?)),
    )
}

/// The size of an image that an index names.
fn named_child(
    at: &Snapshot<'_>,
    (image_id, repository_id): (i64, i64),
    digest: &Digest,
) -> Result<Option<i64>, StoreError> {
    at.find(
        "SELECT i.size FROM images i
         JOIN image_children c ON c.repository_id = ?1 AND c.child_id = i.id AND c.index_id = ?2
         WHERE i.repository_id = ?1 AND i.digest = ?3",
        &[
            Value::Integer(repository_id),
            Value::Integer(image_id),
            Value::Blob(digest.as_bytes()),
        ],
        |row| row.integer(0),
    )
}
