//! Holds every stored image against its digest and against the rows that its manifest calls for.

use std::ops::ControlFlow;

use ecru_model::Digest;
use ecru_store::{Report, Row, Snapshot, Store, StoreError, Value};

use super::manifest::{self, Manifest};
use super::needs;
use crate::repositories::stored;

const IMAGES_AT_ONCE: i64 = 100;
const ORPHANS_MAX: i64 = 100;
const MISCOUNTED_MAX: usize = 100;

/// How many images were looked at, and how often something was wrong with one; each has been said in a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifiedImages {
    pub images: u64,
    pub damaged: u64,
}

pub async fn verify_images(store: &Store, report: &Report) -> Result<VerifiedImages, StoreError> {
    let mut verified = VerifiedImages::default();
    let mut last = 0;
    loop {
        report.check_heard()?;
        let (count, end, complaints) = store.read_many(move |at| verify_some(at, last)).await?;
        verified.images += count;
        say(report, complaints, &mut verified).await?;
        match end {
            Some(end) => last = end,
            None => break,
        }
    }
    let complaints = store.read_many(rows_of_nothing).await?;
    say(report, complaints, &mut verified).await?;
    Ok(verified)
}

async fn say(
    report: &Report,
    complaints: Vec<String>,
    verified: &mut VerifiedImages,
) -> Result<(), StoreError> {
    for complaint in complaints {
        verified.damaged += 1;
        report.say(complaint).await?;
    }
    Ok(())
}

/// How many images after an id were looked at, the last of them, and what is wrong with them.
fn verify_some(at: &Snapshot<'_>, last: i64) -> Result<(u64, Option<i64>, Vec<String>), StoreError> {
    let (mut count, mut end, mut complaints) = (0, None, Vec::new());
    at.each(
        "SELECT i.id, i.repository_id, i.digest, i.media_type, i.manifest_size, r.account, r.region, r.name, i.blob_ids,
                i.manifest
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
    let owner = (row.integer(0)?, row.integer(1)?);
    let digest = stored(Digest::from_bytes(row.blob(2)?))?;
    let bytes = row.blob(9)?;
    if !manifest::is_named_by(&digest, row.text(3)?, bytes) {
        let computed = Digest::computed(digest.algorithm(), bytes);
        return Ok(Some(format!("is damaged: its manifest is that of {computed}")));
    }
    if usize::try_from(row.integer(4)?).ok() != Some(bytes.len()) {
        return Ok(Some(
            "is listed with another size than its manifest has".to_owned(),
        ));
    }
    let Ok(manifest) = Manifest::parse(bytes, Some(row.text(3)?)) else {
        return Ok(Some("has a manifest that cannot be read".to_owned()));
    };
    let needed = needs::blob_ids(row.blob(8)?)?;
    for blob in manifest.blobs.iter().filter(|blob| !blob.foreign) {
        let blob_id = linked_blob(at, owner.1, &blob.digest)?;
        if blob_id.is_none_or(|blob_id| !needed.contains(&blob_id)) {
            return Ok(Some(format!("needs blob {}, to which no row leads", blob.digest)));
        }
    }
    for child in &manifest.children {
        if !names_child(at, owner, child)? {
            return Ok(Some(format!("names image {child}, to which no row leads")));
        }
    }
    Ok(None)
}

fn linked_blob(at: &Snapshot<'_>, repository_id: i64, digest: &Digest) -> Result<Option<i64>, StoreError> {
    at.find(
        "SELECT b.id FROM blobs b JOIN links l ON l.blob_id = b.id AND l.repository_id = ?1 WHERE b.digest = ?2",
        &[Value::Integer(repository_id), Value::Blob(digest.as_bytes())],
        |row| row.integer(0),
    )
}

fn names_child(
    at: &Snapshot<'_>,
    (image_id, repository_id): (i64, i64),
    digest: &Digest,
) -> Result<bool, StoreError> {
    let found = at.find(
        "SELECT 1 FROM images i
         JOIN image_children c ON c.repository_id = ?1 AND c.child_id = i.id AND c.index_id = ?2
         WHERE i.repository_id = ?1 AND i.digest = ?3",
        &[
            Value::Integer(repository_id),
            Value::Integer(image_id),
            Value::Blob(digest.as_bytes()),
        ],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}

/// What no key of the database holds: that the index is there which names a child, how many images there are, and how
/// many of them need a blob.
fn rows_of_nothing(at: &Snapshot<'_>) -> Result<Vec<String>, StoreError> {
    const LOOKS: [(&str, &str); 2] = [
        (
            "SELECT index_id FROM image_children WHERE NOT EXISTS (SELECT 1 FROM images WHERE id = index_id) LIMIT ?1",
            "an image is kept for an index that is not there: number",
        ),
        (
            "SELECT c.repository_id FROM repository_counters c JOIN repositories r ON r.id = c.repository_id
             WHERE r.deleted = 0
               AND c.images <> (SELECT count(*) FROM images WHERE repository_id = c.repository_id) LIMIT ?1",
            "a repository counts other images than it holds: number",
        ),
    ];
    let mut complaints = Vec::new();
    for (sql, words) in LOOKS {
        let found = at.query(sql, &[Value::Integer(ORPHANS_MAX)], |row| row.integer(0))?;
        complaints.extend(found.into_iter().map(|id| format!("{words} {id}")));
    }
    let repositories = at.query("SELECT id FROM repositories WHERE deleted = 0", &[], |row| {
        row.integer(0)
    })?;
    for repository_id in repositories {
        let miscounted = needs::miscounted(at, repository_id)?.into_iter();
        complaints.extend(miscounted.take(MISCOUNTED_MAX).map(|blob_id| {
            format!(
                "repository number {repository_id} counts other images than need its blob number {blob_id}"
            )
        }));
    }
    Ok(complaints)
}
