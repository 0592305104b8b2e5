//! Previews of policies, computed once and kept for a day: the rows of a preview, and the job that computes it.

use std::ops::ControlFlow;
use std::sync::Arc;

use ecru_model::{Digest, LifecyclePolicyPreviewStatus as Status, LifecyclePolicyStorageClass, Timestamp};
use ecru_platform::jobs;
use ecru_platform::jobs::{Job, Lease, Outcome, schedule};
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};
use serde_json::json;

use super::apply::Plan;
use super::apply::Step;
use super::apply::plan;
use super::inventory;
use crate::lifecycle_policy::parse_stored;
use crate::lifecycle_policy::policy::{Action, StorageClass};
use crate::records::repositories::{self, Repository};
use crate::subjects::RepositorySubject;
use crate::{Error, Service, stored_images};

const ROWS_PER_BATCH: usize = 200;
/// The cost of a tag beside its text.
const TAG_BYTES: usize = 32;
/// [unknown] when a preview expires.
const KEPT_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// The preview of a repository, which has at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preview {
    /// As the client sent it.
    pub(super) text: String,
    pub(super) status: Status,
    pub(super) started_at: Timestamp,
    pub(super) expiring: i64,
    pub(super) archiving: i64,
}

/// An image that would expire.
#[derive(Debug, Clone)]
pub(super) struct PreviewResult {
    pub(super) position: i64,
    pub(super) digest: Digest,
    pub(super) tags: Vec<String>,
    pub(super) pushed_at: Timestamp,
    pub(super) rule: i32,
    pub(super) action: Action,
    pub(super) class: LifecyclePolicyStorageClass,
}

impl Preview {
    pub(super) fn new(text: &str, started_at: Timestamp) -> Self {
        Self {
            text: text.to_owned(),
            status: Status::InProgress,
            started_at,
            expiring: 0,
            archiving: 0,
        }
    }

    fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.started_at.as_millis().saturating_add(KEPT_MILLISECONDS))
    }
}

pub(super) fn find(at: &Snapshot<'_>, repository: &Repository) -> Result<Option<Preview>, StoreError> {
    at.find(
        "SELECT policy, status, started_at, expiring, archiving FROM lifecycle_previews WHERE repository_id = ?1",
        &[Value::Integer(repository.id)],
        |row| {
            Ok(Preview {
                text: row.text(0)?.to_owned(),
                status: stored(Status::parse(row.text(1)?))?,
                started_at: Timestamp::from_millis(row.integer(2)?),
                expiring: row.integer(3)?,
                archiving: row.integer(4)?,
            })
        },
    )
}

fn save(tx: &Tx<'_>, repository: &Repository, preview: &Preview) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lifecycle_previews (repository_id, policy, status, started_at, expiring, archiving)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (repository_id) DO UPDATE SET policy = excluded.policy, status = excluded.status,
             started_at = excluded.started_at, expiring = excluded.expiring, archiving = excluded.archiving",
        &[
            Value::Integer(repository.id),
            Value::Text(&preview.text),
            Value::Text(preview.status.as_str()),
            Value::Integer(preview.started_at.as_millis()),
            Value::Integer(preview.expiring),
            Value::Integer(preview.archiving),
        ],
    )?;
    Ok(())
}

/// Replaces the last preview with a new one, and schedules its computation.
pub(super) fn start(tx: &Tx<'_>, repository: &Repository, preview: &Preview) -> Result<(), StoreError> {
    save(tx, repository, preview)?;
    schedule_work(tx, repository, preview.started_at)
}

fn schedule_work(tx: &Tx<'_>, repository: &Repository, due: Timestamp) -> Result<(), StoreError> {
    let subject = RepositorySubject(repository.name.clone());
    schedule::<LifecyclePreview>(tx, &repository.scope, &subject, due)
}

/// Results in their order, from the one after `after`.
pub(super) fn results(
    at: &Snapshot<'_>,
    repository: &Repository,
    after: i64,
    visit: &mut dyn FnMut(PreviewResult) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    at.each(
        "SELECT position, digest, tags, pushed_at, rule, action, storage_class FROM lifecycle_preview_results
         WHERE repository_id = ?1 AND position > ?2 ORDER BY position",
        &[repository.id, after].map(Value::Integer),
        &mut |row| visit(PreviewResult::from_row(row)?),
    )
}

/// The result of a preview for one image.
pub(super) fn result_of(
    at: &Snapshot<'_>,
    repository: &Repository,
    digest: &Digest,
) -> Result<Option<PreviewResult>, StoreError> {
    at.find(
        "SELECT position, digest, tags, pushed_at, rule, action, storage_class FROM lifecycle_preview_results
         WHERE repository_id = ?1 AND digest = ?2",
        &[Value::Integer(repository.id), Value::Blob(digest.as_bytes())],
        PreviewResult::from_row,
    )
}

impl PreviewResult {
    pub(super) fn text_bytes(&self) -> usize {
        self.tags.iter().map(|tag| tag.len() + TAG_BYTES).sum()
    }

    fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            position: row.integer(0)?,
            digest: stored(Digest::from_bytes(row.blob(1)?))?,
            tags: row.text(2)?.split_whitespace().map(str::to_owned).collect(),
            pushed_at: Timestamp::from_millis(row.integer(3)?),
            rule: stored(i32::try_from(row.integer(4)?))?,
            action: match row.text(5)? {
                "EXPIRE" => Action::Expire,
                _ => Action::Archive,
            },
            class: stored(LifecyclePolicyStorageClass::parse(row.text(6)?))?,
        })
    }
}

/// The job that computes a lifecycle policy preview, and deletes it after a day.
pub(crate) struct LifecyclePreview;

impl jobs::Work for LifecyclePreview {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = "lifecycle-preview";
    type Subject = RepositorySubject;

    async fn run(
        service: &Arc<Service>,
        job: Job<RepositorySubject>,
        lease: &Lease,
    ) -> Result<Outcome, Error> {
        run(service, &job, lease).await
    }
}

async fn run(service: &Arc<Service>, job: &Job<RepositorySubject>, lease: &Lease) -> Result<Outcome, Error> {
    let found = service
        .store
        .read(|at| {
            let Some(repository) = repositories::find(at, &job.scope, &job.subject.0)? else {
                return Ok(None);
            };
            let preview = find(at, &repository)?;
            Ok::<_, Error>(preview.map(|preview| (repository, preview)))
        })
        .await?;
    let Some((repository, mut preview)) = found else {
        return Ok(Outcome::Done(json!({})));
    };
    let now = service.clock.now();
    let work = Work {
        service,
        lease,
        repository,
    };
    match preview.status {
        Status::InProgress => {
            stored_images::pulls::write(service).await?;
            work.clear().await?;
            work.fill(&mut preview, now).await?;
            Ok(Outcome::Done(
                json!({ "expiring": preview.expiring, "archiving": preview.archiving }),
            ))
        }
        Status::Complete if preview.expires_at() <= now => {
            preview.status = Status::Expired;
            work.set(preview, None).await?;
            work.clear().await?;
            Ok(Outcome::Done(json!({ "previewExpired": true })))
        }
        Status::Complete => Ok(Outcome::Again(preview.expires_at())),
        Status::Expired | Status::Failed => {
            work.clear().await?;
            Ok(Outcome::Done(json!({})))
        }
    }
}

struct Work<'a> {
    service: &'a Service,
    lease: &'a Lease,
    repository: Repository,
}

impl Work<'_> {
    /// Removes the results of an earlier preview, or of an interrupted run.
    async fn clear(&self) -> Result<(), Error> {
        let repository_id = self.repository.id;
        loop {
            let lease = self.lease.clone();
            let removed = self.service.store.write(move |tx| {
                lease.check(tx)?;
                let removed = tx.execute(
                    "DELETE FROM lifecycle_preview_results WHERE repository_id = ?1 AND position IN
                         (SELECT position FROM lifecycle_preview_results WHERE repository_id = ?1 LIMIT ?2)",
                    &[
                        Value::Integer(repository_id),
                        Value::Integer(i64::try_from(ROWS_PER_BATCH).unwrap_or(i64::MAX)),
                    ],
                )?;
                Ok::<_, Error>(removed)
            });
            if removed.await? == 0 {
                return Ok(());
            }
        }
    }

    async fn fill(&self, preview: &mut Preview, now: Timestamp) -> Result<(), Error> {
        let policy = parse_stored(&preview.text)?;
        let repository = self.repository.clone();
        let plan = self.service.store.read_many(move |at| {
            let plan = plan(at, &repository, &policy, now)?;
            Ok::<_, Error>(plan)
        });
        let plan = Arc::new(plan.await?);

        for first in (0..plan.steps.len()).step_by(ROWS_PER_BATCH) {
            let (plan, lease, repository) = (Arc::clone(&plan), self.lease.clone(), self.repository.clone());
            let inserted = self.service.store.write(move |tx| {
                lease.check(tx)?;
                let (mut expiring, mut archiving) = (0, 0);
                if !exists(tx, repository.id)? {
                    return Ok((expiring, archiving));
                }
                for step in plan.steps.iter().skip(first).take(ROWS_PER_BATCH) {
                    match insert(tx, &repository, (&plan, *step))? {
                        Some(Action::Expire) => expiring += 1,
                        Some(Action::Archive) => archiving += 1,
                        None => {}
                    }
                }
                Ok::<_, Error>((expiring, archiving))
            });
            let (expiring, archiving) = inserted.await?;
            preview.expiring += expiring;
            preview.archiving += archiving;
        }

        preview.status = Status::Complete;
        self.set(preview.clone(), Some(preview.expires_at())).await
    }

    async fn set(&self, preview: Preview, again: Option<Timestamp>) -> Result<(), Error> {
        let (lease, repository) = (self.lease.clone(), self.repository.clone());
        self.service
            .store
            .write(move |tx| {
                lease.check(tx)?;
                if !exists(tx, repository.id)? {
                    return Ok(());
                }
                save(tx, &repository, &preview)?;
                if let Some(due) = again {
                    schedule_work(tx, &repository, due)?;
                }
                Ok(())
            })
            .await
    }
}

/// A repository that is being removed must get no further rows.
fn exists(tx: &Tx<'_>, repository_id: i64) -> Result<bool, StoreError> {
    let found = tx.find(
        "SELECT 1 FROM repositories WHERE id = ?1 AND deleted = 0",
        &[Value::Integer(repository_id)],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}

/// Inserts the action on the image, unless the image is gone or has changed since the decision.
fn insert(
    tx: &Tx<'_>,
    repository: &Repository,
    (plan, step): (&Plan, Step),
) -> Result<Option<Action>, StoreError> {
    let Some((key, candidate)) = inventory::find(tx, repository, step.image_id)? else {
        return Ok(None);
    };
    let Some((rule, action)) = plan.still_acts(step, &candidate) else {
        return Ok(None);
    };
    let class = match candidate.class {
        Some(StorageClass::Archive) => LifecyclePolicyStorageClass::Archive,
        _ => LifecyclePolicyStorageClass::Standard,
    };
    tx.execute(
        "INSERT INTO lifecycle_preview_results (repository_id, position, digest, tags, pushed_at, rule, action,
             storage_class)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &[
            Value::Integer(repository.id),
            Value::Integer(key.id),
            Value::Blob(key.digest.as_bytes()),
            Value::Text(&candidate.tags.join(" ")),
            Value::Integer(candidate.pushed_at.as_millis()),
            Value::Integer(rule.into()),
            Value::Text(match action {
                Action::Expire => "EXPIRE",
                Action::Archive => "TRANSITION",
            }),
            Value::Text(class.as_str()),
        ],
    )?;
    Ok(Some(action))
}
