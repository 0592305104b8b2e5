//! Archiving images and bringing them back: their status, and everyone whom a change of it concerns.

mod activate;
mod follow;
mod update_image_storage_class;

use ecru_model::{Digest, ImageStatus, RepositoryName, Timestamp};
use ecru_store::{Snapshot, StoreError, Tx, Value};

use super::manifest::Manifest;
use super::{Image, find, manifest_of, needs, tags_of};
use crate::jobs::{self, Job, Kind, NewJob};
use crate::repositories::{Repository, stored};
use crate::{Error, Pace, events, lifecycle, replication, scanning};

pub(crate) use activate::run as activate;
pub(crate) use follow::run as follow;
pub use update_image_storage_class::update_image_storage_class;

/// How long a restore takes at the pace of AWS, by the clock that users see.
const ACTIVATION_MILLISECONDS: i64 = 20 * 60 * 1000;
/// Referrers follow a subject that was deleted or archived after this time, in which it may come back and find them.
const FOLLOWING_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// Takes an active image out of reach of pulls.
pub(crate) fn archive(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE images SET status = ?2, last_archived_at = ?3 WHERE id = ?1",
        &[
            Value::Integer(image.id),
            Value::Text(ImageStatus::Archived.as_str()),
            Value::Integer(now.as_millis()),
        ],
    )?;
    needs::set_status(tx, repository, image, ImageStatus::Archived)?;
    let event = events::archived(&about(repository, image, now), image.subject.is_some());
    events::record(tx, &repository.scope, &event)?;
    subject_left(tx, repository, &image.digest, now)
}

/// Makes an image that was archived active again, which counts as a push.
pub(super) fn restore(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE repository_counters SET push_sequence = push_sequence + 1 WHERE repository_id = ?1",
        &[Value::Integer(repository.id)],
    )?;
    tx.execute(
        "UPDATE images SET status = ?3, last_activated_at = ?4,
             push_sequence = (SELECT push_sequence FROM repository_counters WHERE repository_id = ?1)
         WHERE id = ?2",
        &[
            Value::Integer(repository.id),
            Value::Integer(image.id),
            Value::Text(ImageStatus::Active.as_str()),
            Value::Integer(now.as_millis()),
        ],
    )?;
    needs::set_status(tx, repository, image, ImageStatus::Active)?;
    // ECR forgets what was found in it before, and scans it where it would scan a push.
    scanning::forget_image(tx, image.id)?;
    let pushed = scanning::Pushed {
        image_id: image.id,
        digest: &image.digest,
        media_type: &image.media_type,
        artifact_media_type: image.artifact_media_type.as_deref(),
        at: now,
    };
    scanning::image_pushed(tx, repository, &pushed)?;
    let event = events::restored(&about(repository, image, now), image.subject.is_some(), now);
    events::record(tx, &repository.scope, &event)?;
    if has_referrers(tx, repository, &image.digest)? {
        schedule(tx, repository, Kind::Referrers, &image.digest, now)?;
    }
    lifecycle::images_changed(tx, repository, now)
}

/// Brings back at once what a pushed index names: an active index names nothing that cannot be pulled.
// [unknown] whether ECR does so or refuses the index.
pub(super) fn restore_children(
    tx: &Tx<'_>,
    repository: &Repository,
    manifest: &Manifest,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut waiting = manifest.children.clone();
    while let Some(child) = waiting.pop() {
        let child = find(tx, repository, &child)?;
        let Some(image) = child.filter(|child| child.status != ImageStatus::Active) else {
            continue;
        };
        restore(tx, repository, &image, now)?;
        let bytes = manifest_of(tx, &image)?;
        waiting.extend(stored(Manifest::parse(&bytes, Some(&image.media_type)))?.children);
    }
    Ok(())
}

/// As `restore`, and the image is replicated as one that is pushed.
fn bring_back(tx: &Tx<'_>, repository: &Repository, image: &Image, now: Timestamp) -> Result<(), Error> {
    restore(tx, repository, image, now)?;
    let tags = tags_of(tx, repository, image.id)?;
    replication::image_pushed(tx, repository, &image.digest, &tags, now)
}

/// An image that others refer to was deleted or archived: they follow, unless it is back by then.
pub(super) fn subject_left(
    tx: &Tx<'_>,
    repository: &Repository,
    subject: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !has_referrers(tx, repository, subject)? {
        return Ok(());
    }
    schedule(
        tx,
        repository,
        Kind::Referrers,
        subject,
        after(now, FOLLOWING_MILLISECONDS),
    )
}

fn has_referrers(at: &Snapshot<'_>, repository: &Repository, subject: &Digest) -> Result<bool, StoreError> {
    let found = at.find(
        "SELECT 1 FROM images WHERE repository_id = ?1 AND subject = ?2 LIMIT 1",
        &[Value::Integer(repository.id), Value::Blob(subject.as_bytes())],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}

fn schedule(
    tx: &Tx<'_>,
    repository: &Repository,
    kind: Kind,
    digest: &Digest,
    due: Timestamp,
) -> Result<(), StoreError> {
    jobs::schedule(
        tx,
        &NewJob {
            kind,
            scope: &repository.scope,
            subject: &format!("{}@{digest}", repository.name),
            due,
        },
    )
}

/// The repository and the image that a job is about.
fn subject_of(job: &Job) -> Result<(RepositoryName, Digest), StoreError> {
    let (name, digest) = job
        .subject
        .split_once('@')
        .ok_or_else(|| StoreError::damaged("a job names no image"))?;
    Ok((
        stored(RepositoryName::parse(name))?,
        stored(Digest::parse(digest))?,
    ))
}

fn about<'a>(repository: &'a Repository, image: &'a Image, time: Timestamp) -> events::About<'a> {
    events::About {
        scope: &repository.scope,
        repository: &repository.name,
        digest: &image.digest,
        media_type: &image.media_type,
        artifact_media_type: image.artifact_media_type.as_deref(),
        time,
    }
}

/// When a restore that begins now is done.
fn active_at(now: Timestamp, pace: Pace) -> Timestamp {
    match pace {
        Pace::Fast => now,
        Pace::Aws => after(now, ACTIVATION_MILLISECONDS),
    }
}

fn after(now: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_add(milliseconds))
}
