//! The images of a repository in the form that policies evaluate.

use std::iter::Peekable;

use ecru_model::{Digest, ImageStatus, Timestamp};
use ecru_store::{Row, Snapshot, StoreError, Value, stored};

use super::evaluate::Candidate;
use super::evaluate::Tie;
use crate::lifecycle_policy::policy::StorageClass;
use crate::records::repositories::Repository;

/// Identifies the image of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: i64,
    pub(super) digest: Digest,
    pub(super) subject: Option<Digest>,
}

/// The number of images in memory at once.
const IMAGES_PER_PAGE: u32 = 500;

const COLUMNS_AFTER: &str =
    "SELECT i.id, i.digest, i.subject, i.status, i.push_sequence, i.pushed_at, i.last_pulled_at, i.last_activated_at,
            i.last_archived_at, s.id
     FROM images i LEFT JOIN images s ON s.repository_id = i.repository_id AND s.digest = i.subject
     WHERE i.repository_id = ?1 AND i.id > ?2 ORDER BY i.id LIMIT ?3";

/// Visits every image of a repository in the order of ids, whatever their number. Runs on the blocking pool.
pub(super) fn each(
    at: &Snapshot<'_>,
    repository: &Repository,
    visit: &mut dyn FnMut(&Key, &Candidate),
) -> Result<(), StoreError> {
    let mut last = i64::MIN;
    loop {
        let page = page(at, repository, last, IMAGES_PER_PAGE)?;
        let Some((end, _)) = page.last() else {
            return Ok(());
        };
        last = end.id;
        for (key, candidate) in &page {
            visit(key, candidate);
        }
    }
}

/// Images after an id, in the order of ids.
pub(super) fn page(
    at: &Snapshot<'_>,
    repository: &Repository,
    after: i64,
    limit: u32,
) -> Result<Vec<(Key, Candidate)>, StoreError> {
    let mut images = at.query(
        COLUMNS_AFTER,
        &[repository.id, after, limit.into()].map(Value::Integer),
        |row| Ok((from_row(row)?, row.optional_integer(9)?)),
    )?;
    let Some(((end, _), _)) = images.last() else {
        return Ok(Vec::new());
    };
    let between = [repository.id, after, end.id].map(Value::Integer);
    let tags = at.query(
        "SELECT image_id, tag FROM tags WHERE repository_id = ?1 AND image_id > ?2 AND image_id <= ?3
         ORDER BY image_id, tag",
        &between,
        |row| Ok((row.integer(0)?, row.text(1)?.to_owned())),
    )?;
    let parents = at.query(
        "SELECT c.child_id, i.status FROM image_children c JOIN images i ON i.id = c.index_id
         WHERE c.repository_id = ?1 AND c.child_id > ?2 AND c.child_id <= ?3 ORDER BY c.child_id",
        &between,
        |row| Ok((row.integer(0)?, is_archived(row.text(1)?))),
    )?;

    let mut tags = tags.into_iter().peekable();
    let mut parents = parents.into_iter().peekable();
    for ((key, candidate), subject_id) in &mut images {
        candidate.tags = take(&mut tags, key.id);
        let follows = subject_id.is_some_and(|subject_id| subject_id != key.id);
        candidate.tie = tie(follows, &take(&mut parents, key.id));
    }
    Ok(images.into_iter().map(|(image, _)| image).collect())
}

/// One image, read again.
pub(super) fn find(
    at: &Snapshot<'_>,
    repository: &Repository,
    image_id: i64,
) -> Result<Option<(Key, Candidate)>, StoreError> {
    let key = [Value::Integer(repository.id), Value::Integer(image_id)];
    let found = at.find(
        "SELECT id, digest, subject, status, push_sequence, pushed_at, last_pulled_at, last_activated_at,
                last_archived_at
         FROM images WHERE repository_id = ?1 AND id = ?2",
        &key,
        from_row,
    )?;
    let Some((image, mut candidate)) = found else {
        return Ok(None);
    };
    candidate.tags = at.query(
        "SELECT tag FROM tags WHERE repository_id = ?1 AND image_id = ?2 ORDER BY tag",
        &key,
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    let parents = at.query(
        "SELECT i.status FROM image_children c JOIN images i ON i.id = c.index_id
         WHERE c.repository_id = ?1 AND c.child_id = ?2",
        &key,
        |row| Ok(is_archived(row.text(0)?)),
    )?;
    let followed = match image.subject.filter(|subject| *subject != image.digest) {
        None => None,
        Some(subject) => at.find(
            "SELECT 1 FROM images WHERE repository_id = ?1 AND digest = ?2",
            &[Value::Integer(repository.id), Value::Blob(subject.as_bytes())],
            |row| row.integer(0),
        )?,
    };
    candidate.tie = tie(followed.is_some(), &parents);
    Ok(Some((image, candidate)))
}

/// Without tags and ties, which are in other tables.
fn from_row(row: &Row<'_>) -> Result<(Key, Candidate), StoreError> {
    let moment =
        |column| -> Result<_, StoreError> { Ok(row.optional_integer(column)?.map(Timestamp::from_millis)) };
    let subject = row
        .optional_blob(2)?
        .map(|bytes| stored(Digest::from_bytes(bytes)));
    let key = Key {
        id: row.integer(0)?,
        digest: stored(Digest::from_bytes(row.blob(1)?))?,
        subject: subject.transpose()?,
    };
    let candidate = Candidate {
        tags: Vec::new(),
        class: match stored(ImageStatus::parse(row.text(3)?))? {
            ImageStatus::Active => Some(StorageClass::Standard),
            ImageStatus::Archived => Some(StorageClass::Archive),
            ImageStatus::Activating => None,
        },
        sequence: row.integer(4)?,
        pushed_at: Timestamp::from_millis(row.integer(5)?),
        last_pulled_at: moment(6)?,
        last_activated_at: moment(7)?,
        last_archived_at: moment(8)?,
        tie: Tie::Free,
    };
    Ok((key, candidate))
}

fn is_archived(status: &str) -> bool {
    status == ImageStatus::Archived.as_str()
}

/// `parents` holds for each index that names the image whether it is archived.
fn tie(follows: bool, parents: &[bool]) -> Tie {
    if follows {
        Tie::Referrer
    } else if parents.is_empty() {
        Tie::Free
    } else if parents.iter().all(|archived| *archived) {
        Tie::ChildOfArchived
    } else {
        Tie::ChildOfActive
    }
}

/// Takes what belongs to one image from rows in the order of images.
fn take<T>(rows: &mut Peekable<impl Iterator<Item = (i64, T)>>, image_id: i64) -> Vec<T> {
    while rows.next_if(|(id, _)| *id < image_id).is_some() {}
    let mut own = Vec::new();
    while let Some((_, value)) = rows.next_if(|(id, _)| *id == image_id) {
        own.push(value);
    }
    own
}
