//! The blobs that an image needs: counted at their links, so that no link goes while an image of its repository needs it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use ecru_model::ImageStatus;
use ecru_store::{Snapshot, StoreError, Tx, Value, stored};

use super::Image;
use crate::records::repositories::Repository;

/// Counts one more active image at each blob that it needs, and returns the blob ids in the form of its row.
pub(crate) fn count(
    tx: &Tx<'_>,
    repository: &Repository,
    blobs: &[(i64, String)],
) -> Result<Vec<u8>, StoreError> {
    for (blob_id, media_type) in blobs {
        let counted = tx.execute(
            "UPDATE links SET images = images + 1, active_images = active_images + 1,
                 media_type = CASE images WHEN 0 THEN ?3 ELSE media_type END
             WHERE repository_id = ?1 AND blob_id = ?2",
            &[
                Value::Integer(repository.id),
                Value::Integer(*blob_id),
                Value::Text(media_type),
            ],
        )?;
        if counted != 1 {
            return Err(StoreError::damaged("an image needs a blob that is not linked"));
        }
    }
    Ok(blobs.iter().flat_map(|(id, _)| id.to_be_bytes()).collect())
}

/// Subtracts an image that is about to be deleted from the counts of its links, even if links are damaged. The
/// links stay for a while, so that a push that relies on an earlier answer still finds the layers.
pub(crate) fn release(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    machine_now: i64,
) -> Result<(), StoreError> {
    for blob_id in blob_ids_of(tx, image)? {
        tx.execute(
            "UPDATE links SET images = images - 1, active_images = active_images - ?3, used_at = ?4
             WHERE repository_id = ?1 AND blob_id = ?2 AND images > 0 AND active_images >= ?3",
            &[repository.id, blob_id, active(image.status), machine_now].map(Value::Integer),
        )?;
    }
    Ok(())
}

/// Changes the status of an image from the status in `image`.
pub(crate) fn set_status(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    status: ImageStatus,
) -> Result<(), StoreError> {
    let more = active(status) - active(image.status);
    if more == 0 {
        return Ok(());
    }
    for blob_id in blob_ids_of(tx, image)? {
        tx.execute(
            "UPDATE links SET active_images = active_images + ?3
             WHERE repository_id = ?1 AND blob_id = ?2 AND active_images + ?3 BETWEEN 0 AND images",
            &[repository.id, blob_id, more].map(Value::Integer),
        )?;
    }
    Ok(())
}

fn active(status: ImageStatus) -> i64 {
    i64::from(status == ImageStatus::Active)
}

fn blob_ids_of(at: &Snapshot<'_>, image: &Image) -> Result<Vec<i64>, StoreError> {
    let found = at.find(
        "SELECT blob_ids FROM images WHERE id = ?1",
        &[Value::Integer(image.id)],
        |row| blob_ids(row.blob(0)?),
    )?;
    Ok(found.unwrap_or_default())
}

/// Reads the ids from the form of a row.
pub(crate) fn blob_ids(bytes: &[u8]) -> Result<Vec<i64>, StoreError> {
    let (ids, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(StoreError::damaged("the blobs of an image are cut off"));
    }
    Ok(ids.iter().map(|id| i64::from_be_bytes(*id)).collect())
}

/// The ids of blobs whose link in this repository has a wrong count of images that need it.
pub(crate) fn miscounted(at: &Snapshot<'_>, repository_id: i64) -> Result<Vec<i64>, StoreError> {
    let repository = [Value::Integer(repository_id)];
    let mut needed = HashMap::<i64, (i64, i64)>::new();
    at.each(
        "SELECT status, blob_ids FROM images WHERE repository_id = ?1",
        &repository,
        &mut |row| {
            let is_active = active(stored(ImageStatus::parse(row.text(0)?))?);
            for id in blob_ids(row.blob(1)?)? {
                let (images, active_images) = needed.entry(id).or_default();
                *images += 1;
                *active_images += is_active;
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    let mut miscounted = at.query(
        "SELECT blob_id, images, active_images FROM links WHERE repository_id = ?1",
        &repository,
        |row| {
            let (blob_id, counted) = (row.integer(0)?, (row.integer(1)?, row.integer(2)?));
            Ok((needed.remove(&blob_id).unwrap_or_default() != counted).then_some(blob_id))
        },
    )?;
    // The remaining blobs are needed, but not linked.
    miscounted.extend(needed.into_keys().map(Some));
    Ok(miscounted.into_iter().flatten().collect())
}
