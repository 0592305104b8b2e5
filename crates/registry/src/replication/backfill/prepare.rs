//! Lists the replications of a backfill: each image that is replicated to its destination, once for each of its tags.

use std::sync::Arc;

use ecru_model::{ImageStatus, ReplicationBackfillStatus, RepositoryName};
use ecru_platform::jobs::Lease;
use ecru_platform::paging::Room;
use ecru_store::{Snapshot, StoreError, Tx, Value};

use super::{Backfill, Cursor, find, set_status};
use crate::records::repositories::{self, Repository};
use crate::replication::{Route, configuration};
use crate::{Error, Service};

const ROWS_PER_BATCH: usize = 200;

/// Rows for the next images.
struct Batch {
    entries: Vec<Entry>,
    cursor: Cursor,
    last: bool,
}

struct Entry {
    repository: RepositoryName,
    digest: Vec<u8>,
    tag: Option<String>,
}

/// Inserts the rows of the next images. When all images have rows, the status changes.
pub(super) async fn prepare(service: &Arc<Service>, backfill: &Backfill, lease: &Lease) -> Result<(), Error> {
    let batch = service.store.read(|at| next_batch(at, backfill)).await?;
    let (before, lease) = (backfill.clone(), lease.clone());
    service
        .store
        .write(move |tx| {
            lease.check(tx)?;
            save(tx, &before, &batch)
        })
        .await
}

fn next_batch(at: &Snapshot<'_>, backfill: &Backfill) -> Result<Batch, StoreError> {
    let mut cursor = backfill.cursor.clone();
    let mut entries = Vec::new();
    if let Some(repository) = find_current(at, backfill)? {
        let rows = rows_after(at, &repository, &cursor)?;
        let full = rows.len() == ROWS_PER_BATCH;
        for (image_id, digest, tag, active) in rows {
            cursor.image_id = image_id;
            cursor.tag = tag.clone().unwrap_or_default();
            if active {
                entries.push(Entry {
                    repository: repository.name.clone(),
                    digest,
                    tag,
                });
            }
        }
        if full {
            let last = false;
            return Ok(Batch {
                entries,
                cursor,
                last,
            });
        }
    }
    let next = next_repository(at, backfill, &cursor.repository)?;
    let last = next == Next::None;
    if let Next::Repository(repository) | Next::After(repository) = next {
        cursor = Cursor {
            repository,
            image_id: 0,
            tag: String::new(),
        };
    }
    Ok(Batch {
        entries,
        cursor,
        last,
    })
}

/// The repository of the cursor, if its images still go to the destination.
fn find_current(at: &Snapshot<'_>, backfill: &Backfill) -> Result<Option<Repository>, StoreError> {
    let Ok(name) = RepositoryName::parse(backfill.cursor.repository.as_str()) else {
        return Ok(None);
    };
    if goes(at, backfill, &name)? {
        repositories::find(at, &backfill.source, &name)
    } else {
        Ok(None)
    }
}

fn goes(at: &Snapshot<'_>, backfill: &Backfill, name: &RepositoryName) -> Result<bool, StoreError> {
    let route = Route {
        source: backfill.source.clone(),
        name: name.clone(),
        destination: backfill.destination.clone(),
    };
    configuration::sends(at, &route)
}

#[derive(PartialEq, Eq)]
enum Next {
    Repository(String),
    /// No repository up to this one goes to the destination, and there are more.
    After(String),
    None,
}

fn next_repository(at: &Snapshot<'_>, backfill: &Backfill, after: &str) -> Result<Next, StoreError> {
    const EXAMINED_MAX: u32 = 100;

    let found = repositories::list(at, &backfill.source, after, &Room::new(EXAMINED_MAX))?;
    for repository in &found.items {
        if goes(at, backfill, &repository.name)? {
            return Ok(Next::Repository(repository.name.as_str().to_owned()));
        }
    }
    Ok(found.next.map_or(Next::None, Next::After))
}

type ImageRow = (i64, Vec<u8>, Option<String>, bool);

fn rows_after(
    at: &Snapshot<'_>,
    repository: &Repository,
    cursor: &Cursor,
) -> Result<Vec<ImageRow>, StoreError> {
    at.query(
        "SELECT i.id, i.digest, t.tag, i.status FROM images i
         LEFT JOIN tags t ON t.repository_id = i.repository_id AND t.image_id = i.id
         WHERE i.repository_id = ?1 AND i.id >= ?2 AND (i.id > ?2 OR t.tag > ?3)
         ORDER BY i.id, t.tag LIMIT ?4",
        &[
            Value::Integer(repository.id),
            Value::Integer(cursor.image_id),
            Value::Text(&cursor.tag),
            Value::Integer(i64::try_from(ROWS_PER_BATCH).unwrap_or(i64::MAX)),
        ],
        |row| {
            Ok((
                row.integer(0)?,
                row.blob(1)?.to_vec(),
                row.optional_text(2)?.map(str::to_owned),
                // [unknown] whether ECR copies archived images; they could not be pulled at the destination.
                row.text(3)? == ImageStatus::Active.as_str(),
            ))
        },
    )
}

fn save(tx: &Tx<'_>, before: &Backfill, batch: &Batch) -> Result<(), Error> {
    let now = find(tx, &before.source, &before.uuid)?;
    // The backfill was stopped or removed meanwhile.
    let Some(backfill) = now.filter(|now| now.status == ReplicationBackfillStatus::Preparing) else {
        return Ok(());
    };
    let mut position = backfill.total;
    for entry in &batch.entries {
        position += 1;
        tx.execute(
            "INSERT INTO replication_backfill_results (backfill_id, position, repository, digest, tag, status)
             VALUES (?1, ?2, ?3, ?4, ?5, 'PENDING')",
            &[
                Value::Integer(backfill.id),
                Value::Integer(position),
                Value::Text(entry.repository.as_str()),
                Value::from(&entry.digest),
                Value::from(entry.tag.as_deref()),
            ],
        )?;
    }
    tx.execute(
        "UPDATE replication_backfills SET total = ?2, cursor_repository = ?3, cursor_image = ?4, cursor_tag = ?5,
             prepared = ?6 WHERE id = ?1",
        &[
            Value::Integer(backfill.id),
            Value::Integer(position),
            Value::Text(&batch.cursor.repository),
            Value::Integer(batch.cursor.image_id),
            Value::Text(&batch.cursor.tag),
            Value::from(batch.last),
        ],
    )?;
    if batch.last {
        set_status(tx, &backfill, ReplicationBackfillStatus::InProgress, None)?;
    }
    Ok(())
}
