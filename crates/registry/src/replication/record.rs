//! The rows of replications: how far each image has come on its way to other registries, and the remaining tasks.

use ecru_model::{Digest, ImageReplicationStatus, ImageTag, Region, RegistryId, ReplicationStatus, Scope};
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};

use crate::records::repositories::Repository;

/// The maximum number of tags in one transaction.
const TAGS_PER_BATCH: usize = 100;
/// The tag of the task for the image itself.
const IMAGE: &str = "";

/// A replication with some of its tasks.
pub(super) struct Pending {
    pub(super) id: i64,
    pub(super) status: Option<ReplicationStatus>,
    /// The task for the image itself, if there is one. It may be a removal.
    pub(super) image: Option<Task>,
    pub(super) tags: Vec<(ImageTag, Task)>,
    /// Whether there are more tags than these.
    pub(super) more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// Whether to remove from the destination what the source no longer has.
    pub(super) removal: bool,
}

/// Requests the replication of the image, under those of the tags that it still has when the job runs.
pub(super) fn want(
    tx: &Tx<'_>,
    repository: &Repository,
    digest: &Digest,
    destination: &Scope,
    tags: &[ImageTag],
) -> Result<(), StoreError> {
    let [repository_id, digest, account, region] = key(repository, digest, destination);
    let id = returned(tx.returning(
        "INSERT INTO replications (repository_id, digest, account, region, status) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (repository_id, digest, account, region) DO UPDATE SET
             status = excluded.status, failure_code = NULL, refusals = 0
         RETURNING id",
        &[
            repository_id,
            digest,
            account,
            region,
            Value::Text(ReplicationStatus::InProgress.as_str()),
        ],
        |row| row.integer(0),
    )?)?;
    for tag in std::iter::once(IMAGE).chain(tags.iter().map(ImageTag::as_str)) {
        tx.execute(
            "INSERT INTO replication_tasks (replication_id, tag, removal) VALUES (?1, ?2, 0)
             ON CONFLICT (replication_id, tag) DO NOTHING",
            &[Value::Integer(id), Value::Text(tag)],
        )?;
    }
    Ok(())
}

/// Requests the removal of the tag from the destination, or of the image if there is no tag. Nothing is removed
/// that the source has again by then.
pub(super) fn want_removed(
    tx: &Tx<'_>,
    repository: &Repository,
    digest: &Digest,
    destination: &Scope,
    tag: Option<&ImageTag>,
) -> Result<(), StoreError> {
    let id = returned(tx.returning(
        "INSERT INTO replications (repository_id, digest, account, region) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (repository_id, digest, account, region) DO UPDATE SET refusals = 0
         RETURNING id",
        &key(repository, digest, destination),
        |row| row.integer(0),
    )?)?;
    tx.execute(
        "INSERT INTO replication_tasks (replication_id, tag, removal) VALUES (?1, ?2, 1)
         ON CONFLICT (replication_id, tag) DO UPDATE SET removal = 1",
        &[
            Value::Integer(id),
            Value::Text(tag.map_or(IMAGE, ImageTag::as_str)),
        ],
    )?;
    Ok(())
}

pub(super) fn find_pending(
    at: &Snapshot<'_>,
    repository: &Repository,
    digest: &Digest,
    destination: &Scope,
) -> Result<Option<Pending>, StoreError> {
    let found = at.find(
        "SELECT id, status FROM replications WHERE repository_id = ?1 AND digest = ?2 AND account = ?3 AND region = ?4",
        &key(repository, digest, destination),
        |row| Ok((row.integer(0)?, status(row.optional_text(1)?)?)),
    )?;
    let Some((id, status)) = found else {
        return Ok(None);
    };
    let image = at.find(
        "SELECT removal FROM replication_tasks WHERE replication_id = ?1 AND tag = ?2",
        &[Value::Integer(id), Value::Text(IMAGE)],
        |row| task(row, 0),
    )?;
    let mut tags = at.query(
        "SELECT tag, removal FROM replication_tasks WHERE replication_id = ?1 AND tag > ?2 ORDER BY tag LIMIT ?3",
        &[
            Value::Integer(id),
            Value::Text(IMAGE),
            Value::Integer(i64::try_from(TAGS_PER_BATCH + 1).unwrap_or(i64::MAX)),
        ],
        |row| Ok((stored(ImageTag::parse(row.text(0)?))?, task(row, 1)?)),
    )?;
    let more = tags.len() > TAGS_PER_BATCH;
    tags.truncate(TAGS_PER_BATCH);
    Ok(Some(Pending {
        id,
        status,
        image,
        tags,
        more,
    }))
}

/// Deletes the tasks that were read; the task for the image itself is the last one.
pub(super) fn settle(tx: &Tx<'_>, pending: &Pending) -> Result<(), StoreError> {
    for (tag, _) in &pending.tags {
        tx.execute(
            "DELETE FROM replication_tasks WHERE replication_id = ?1 AND tag = ?2",
            &[Value::Integer(pending.id), Value::Text(tag.as_str())],
        )?;
    }
    if pending.more {
        return Ok(());
    }
    if pending.image.is_some() {
        tx.execute(
            "UPDATE replications SET status = ?2, failure_code = NULL, refusals = 0
             WHERE id = ?1 AND status IS NOT NULL",
            &[
                Value::Integer(pending.id),
                Value::Text(ReplicationStatus::Complete.as_str()),
            ],
        )?;
    }
    abandon(tx, pending.id)
}

/// Counts a refusal, and returns the number of refusals since the last push.
pub(super) fn refuse(tx: &Tx<'_>, id: i64, failure_code: &str) -> Result<i64, StoreError> {
    returned(tx.returning(
        "UPDATE replications SET refusals = refusals + 1, failure_code = ?2,
             status = CASE WHEN status IS NULL THEN NULL ELSE ?3 END
         WHERE id = ?1 RETURNING refusals",
        &[
            Value::Integer(id),
            Value::Text(failure_code),
            Value::Text(ReplicationStatus::Failed.as_str()),
        ],
        |row| row.integer(0),
    )?)
}

/// Drops the remaining tasks.
pub(super) fn abandon(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM replication_tasks WHERE replication_id = ?1",
        &[Value::Integer(id)],
    )?;
    tx.execute(
        "DELETE FROM replications WHERE id = ?1 AND status IS NULL",
        &[Value::Integer(id)],
    )?;
    Ok(())
}

/// Forgets a replication whose destination is no longer configured.
pub(super) fn forget(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE replications SET status = NULL WHERE id = ?1",
        &[Value::Integer(id)],
    )?;
    abandon(tx, id)
}

/// Forgets every replication of a deleted image.
pub(crate) fn forget_image(tx: &Tx<'_>, repository: &Repository, digest: &Digest) -> Result<(), StoreError> {
    let image = [Value::Integer(repository.id), Value::Blob(digest.as_bytes())];
    tx.execute(
        "DELETE FROM replication_tasks WHERE replication_id IN
             (SELECT id FROM replications WHERE repository_id = ?1 AND digest = ?2)",
        &image,
    )?;
    tx.execute(
        "DELETE FROM replications WHERE repository_id = ?1 AND digest = ?2",
        &image,
    )?;
    Ok(())
}

/// Records the result of a backfill, unless a push is being replicated: that replication will record its own.
pub(super) fn note(
    tx: &Tx<'_>,
    repository: &Repository,
    digest: &Digest,
    destination: &Scope,
    failure_code: Option<&str>,
) -> Result<(), StoreError> {
    let status = match failure_code {
        None => ReplicationStatus::Complete,
        Some(_) => ReplicationStatus::Failed,
    };
    let [repository_id, digest, account, region] = key(repository, digest, destination);
    tx.execute(
        "INSERT INTO replications (repository_id, digest, account, region, status, failure_code)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (repository_id, digest, account, region) DO UPDATE SET
             status = excluded.status, failure_code = excluded.failure_code
         WHERE NOT EXISTS (SELECT 1 FROM replication_tasks WHERE replication_id = replications.id)",
        &[
            repository_id,
            digest,
            account,
            region,
            Value::Text(status.as_str()),
            Value::from(failure_code),
        ],
    )?;
    Ok(())
}

pub(super) fn statuses(
    at: &Snapshot<'_>,
    repository: &Repository,
    digest: &Digest,
) -> Result<Vec<ImageReplicationStatus>, StoreError> {
    at.query(
        "SELECT account, region, status, failure_code FROM replications
         WHERE repository_id = ?1 AND digest = ?2 AND status IS NOT NULL ORDER BY account, region",
        &[Value::Integer(repository.id), Value::Blob(digest.as_bytes())],
        |row| {
            Ok(ImageReplicationStatus {
                region: Some(stored(Region::parse(row.text(1)?))?),
                registry_id: Some(stored(RegistryId::parse(row.text(0)?))?),
                status: status(row.optional_text(2)?)?,
                failure_code: row.optional_text(3)?.map(str::to_owned),
            })
        },
    )
}

fn key<'a>(repository: &Repository, digest: &'a Digest, destination: &'a Scope) -> [Value<'a>; 4] {
    [
        Value::Integer(repository.id),
        Value::Blob(digest.as_bytes()),
        Value::Text(destination.registry_id.as_str()),
        Value::Text(destination.region.as_str()),
    ]
}

fn status(text: Option<&str>) -> Result<Option<ReplicationStatus>, StoreError> {
    text.map(|text| stored(ReplicationStatus::parse(text)))
        .transpose()
}

fn task(row: &Row<'_>, column: usize) -> Result<Task, StoreError> {
    Ok(Task {
        removal: row.boolean(column)?,
    })
}

fn returned<T>(row: Option<T>) -> Result<T, StoreError> {
    row.ok_or_else(|| StoreError::damaged("a replication has no row"))
}
