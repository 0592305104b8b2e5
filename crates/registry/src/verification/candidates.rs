//! Finds the possible signatures of an image in a repository, newest first.

use std::ops::ControlFlow;

use ecru_model::{Digest, ImageStatus};
use ecru_store::{Snapshot, StoreError, Value};

use super::{bundle, simple_signing};
use crate::records::repositories::Repository;

/// A client with push permission can push any number of them, and checking each takes time for which others wait.
const CANDIDATES_MAX: usize = 50;
const MANIFEST_BYTES_MAX: i64 = 256 * 1024;

/// A possible signature.
pub(super) enum Candidate<'a> {
    SimpleSigning { payload: &'a [u8], signature: &'a [u8] },
    Bundle(&'a [u8]),
}

/// Visits the possible signatures of the image until the visitor stops.
pub(super) fn each(
    at: &Snapshot<'_>,
    repository: &Repository,
    image: &Digest,
    visit: &mut dyn FnMut(Candidate<'_>) -> bool,
) -> Result<(), StoreError> {
    for manifest in bundle_manifests(at, repository, image)? {
        let Some(digest) = bundle::bundle_of(&manifest) else {
            continue;
        };
        if let Some(bytes) = small_blob(at, repository, &digest)?
            && visit(Candidate::Bundle(&bytes))
        {
            return Ok(());
        }
    }
    let Some(manifest) = tagged_manifest(at, repository, image)? else {
        return Ok(());
    };
    // cosign appends each further signature.
    for claim in simple_signing::claims(&manifest)
        .iter()
        .rev()
        .take(CANDIDATES_MAX)
    {
        let Some(payload) = small_blob(at, repository, &claim.payload)? else {
            continue;
        };
        let candidate = Candidate::SimpleSigning {
            payload: &payload,
            signature: &claim.signature,
        };
        if visit(candidate) {
            return Ok(());
        }
    }
    Ok(())
}

/// Archived images count as absent, as for every reader.
fn bundle_manifests(
    at: &Snapshot<'_>,
    repository: &Repository,
    image: &Digest,
) -> Result<Vec<Vec<u8>>, StoreError> {
    const EXAMINED_MAX: usize = 10 * CANDIDATES_MAX;

    let mut manifests = Vec::new();
    let mut examined = 0;
    at.each(
        "SELECT artifact_media_type, status, manifest_size, manifest
         FROM images WHERE repository_id = ?1 AND subject = ?2 ORDER BY id DESC",
        &[Value::Integer(repository.id), Value::Blob(image.as_bytes())],
        &mut |row| {
            examined += 1;
            if row.optional_text(0)? == Some(bundle::MEDIA_TYPE)
                && row.text(1)? == ImageStatus::Active.as_str()
                && row.integer(2)? <= MANIFEST_BYTES_MAX
            {
                manifests.push(row.blob(3)?.to_owned());
            }
            Ok(if manifests.len() == CANDIDATES_MAX || examined == EXAMINED_MAX {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        },
    )?;
    Ok(manifests)
}

fn tagged_manifest(
    at: &Snapshot<'_>,
    repository: &Repository,
    image: &Digest,
) -> Result<Option<Vec<u8>>, StoreError> {
    let tag = format!("{}.sig", image.to_string().replace(':', "-"));
    at.find(
        "SELECT i.manifest FROM tags t JOIN images i ON i.id = t.image_id
         WHERE t.repository_id = ?1 AND t.tag = ?2 AND i.status = ?3 AND i.manifest_size <= ?4",
        &[
            Value::Integer(repository.id),
            Value::Text(&tag),
            Value::Text(ImageStatus::Active.as_str()),
            Value::Integer(MANIFEST_BYTES_MAX),
        ],
        |row| Ok(row.blob(0)?.to_owned()),
    )
}

/// The bytes of a blob that is stored in its row; no larger blob is a signature. They are hashed at each read.
fn small_blob(
    at: &Snapshot<'_>,
    repository: &Repository,
    digest: &Digest,
) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes = at.find(
        "SELECT b.bytes FROM blobs b JOIN links l ON l.blob_id = b.id
         WHERE b.digest = ?2 AND l.repository_id = ?1 AND b.damaged = 0 AND b.bytes IS NOT NULL",
        &[Value::Integer(repository.id), Value::Blob(digest.as_bytes())],
        |row| Ok(row.blob(0)?.to_owned()),
    )?;
    Ok(bytes.filter(|bytes| Digest::computed(digest.algorithm(), bytes) == *digest))
}
