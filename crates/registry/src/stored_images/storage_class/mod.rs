//! Archiving and restoring images: the status of an image, and everything that depends on it.

mod activate;
mod follow;

use ecru_model::{Digest, ImageStatus, Timestamp};
use ecru_platform::jobs::{Work, schedule as schedule_work};
use ecru_store::{Snapshot, StoreError, Tx, Value, stored};

use super::{Image, find, manifest_of, needs, tags_of};
use crate::context::StoreRules;
use crate::manifests::Manifest;
use crate::records::repositories::Repository;
use crate::subjects::ImageSubject;
use crate::{Error, Pace, events};

pub(crate) use activate::{Activation, begin_activation};
pub(crate) use follow::Following;

/// How long a restore takes at the pace of AWS, by the clock that users see.
const ACTIVATION_MILLISECONDS: i64 = 20 * 60 * 1000;
/// Referrers follow a deleted or archived subject after this time. Until then the subject may return and find them.
const FOLLOWING_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// Archives an active image, which then cannot be pulled.
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

/// Makes an archived image active again, which counts as a push.
pub(crate) fn restore(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    store_rules: &StoreRules,
) -> Result<(), Error> {
    let now = store_rules.at.now;
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
    store_rules
        .observers
        .each(|observer| observer.restored(tx, &image.observed(repository), now))?;
    let event = events::restored(&about(repository, image, now), image.subject.is_some(), now);
    events::record(tx, &repository.scope, &event)?;
    if has_referrers(tx, repository, &image.digest)? {
        schedule::<Following>(tx, repository, &image.digest, now)?;
    }
    store_rules
        .observers
        .each(|observer| observer.images_changed(tx, repository, now))
}

/// Restores at once the images that a pushed index names: an active index names only images that can be pulled.
// [unknown] whether ECR does so or refuses the index.
pub(crate) fn restore_children(
    tx: &Tx<'_>,
    repository: &Repository,
    manifest: &Manifest,
    store_rules: &StoreRules,
) -> Result<(), Error> {
    let mut waiting = manifest.children.clone();
    while let Some(child) = waiting.pop() {
        let child = find(tx, repository, &child)?;
        let Some(image) = child.filter(|child| child.status != ImageStatus::Active) else {
            continue;
        };
        restore(tx, repository, &image, store_rules)?;
        let bytes = manifest_of(tx, &image)?;
        waiting.extend(stored(Manifest::parse(&bytes, Some(&image.media_type)))?.children);
    }
    Ok(())
}

/// As `restore`, and the image is replicated like a pushed image.
fn bring_back(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    store_rules: &StoreRules,
) -> Result<(), Error> {
    restore(tx, repository, image, store_rules)?;
    let tags = tags_of(tx, repository, image.id)?;
    store_rules
        .observers
        .each(|observer| observer.available(tx, &image.observed(repository), &tags, store_rules.at.now))
}

/// An image with referrers was deleted or archived: the referrers follow, unless the image is back by then.
pub(crate) fn subject_left(
    tx: &Tx<'_>,
    repository: &Repository,
    subject: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !has_referrers(tx, repository, subject)? {
        return Ok(());
    }
    schedule::<Following>(tx, repository, subject, after(now, FOLLOWING_MILLISECONDS))
}

fn has_referrers(at: &Snapshot<'_>, repository: &Repository, subject: &Digest) -> Result<bool, StoreError> {
    let found = at.find(
        "SELECT 1 FROM images WHERE repository_id = ?1 AND subject = ?2 LIMIT 1",
        &[Value::Integer(repository.id), Value::Blob(subject.as_bytes())],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}

fn schedule<W: Work<Subject = ImageSubject>>(
    tx: &Tx<'_>,
    repository: &Repository,
    digest: &Digest,
    due: Timestamp,
) -> Result<(), StoreError> {
    let subject = ImageSubject {
        name: repository.name.clone(),
        digest: *digest,
    };
    schedule_work::<W>(tx, &repository.scope, &subject, due)
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

/// The end of a restore that begins now.
pub(crate) fn active_at(now: Timestamp, pace: Pace) -> Timestamp {
    match pace {
        Pace::Fast => now,
        Pace::Aws => after(now, ACTIVATION_MILLISECONDS),
    }
}

fn after(now: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_add(milliseconds))
}
