//! Referrers follow their subject: deleted, archived or restored.

use std::sync::Arc;

use ecru_model::{Digest, ImageStatus};
use ecru_platform::jobs::{Job, Lease, Outcome, Work};
use ecru_store::{Snapshot, Tx, Value, stored};
use serde_json::json;

use super::{archive, bring_back};
use crate::context::StoreRules;
use crate::records::repositories::{self, Repository};
use crate::stored_images::{Deleted, Image, delete_image, find};
use crate::subjects::ImageSubject;
use crate::{Error, Service};

/// A referrer has a few rows, so that a batch stays within about 200 rows.
const REFERRERS_PER_BATCH: i64 = 25;

/// The job that makes referrers follow their subject.
pub(crate) struct Following;

impl Work for Following {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = "referrers";
    type Subject = ImageSubject;

    async fn run(service: &Arc<Service>, job: Job<ImageSubject>, lease: &Lease) -> Result<Outcome, Error> {
        let store_rules = service.store_rules();
        let mut reached = 0;
        let mut followed = 0;
        loop {
            let (image, scope) = (job.subject.clone(), job.scope.clone());
            let (lease, store_rules) = (lease.clone(), store_rules.clone());
            let batch = service.store.write(move |tx| {
                lease.check(tx)?;
                let Some(repository) = repositories::find(tx, &scope, &image.name)? else {
                    return Ok(None);
                };
                follow(tx, &repository, &image.digest, reached, &store_rules)
            });
            let Some(batch) = batch.await? else { break };
            reached = batch.last_id;
            followed += batch.followed;
        }
        Ok(Outcome::Done(json!({ "followed": followed })))
    }
}

struct Batch {
    last_id: i64,
    followed: usize,
}

/// None if there are no more referrers.
fn follow(
    tx: &Tx<'_>,
    repository: &Repository,
    subject: &Digest,
    after: i64,
    store_rules: &StoreRules,
) -> Result<Option<Batch>, Error> {
    let status = find(tx, repository, subject)?.map(|subject| subject.status);
    let mut batch = None;
    for image in referrers(tx, repository, subject, after)? {
        let batch = batch.get_or_insert(Batch {
            last_id: image.id,
            followed: 0,
        });
        batch.last_id = image.id;
        let moved = match (status, image.status) {
            (None, _) => matches!(
                delete_image(tx, repository, &image, store_rules)?,
                Deleted::Done { .. }
            ),
            (Some(ImageStatus::Archived), ImageStatus::Active) => {
                archive(tx, repository, &image, store_rules.at.now)?;
                true
            }
            (Some(ImageStatus::Active), ImageStatus::Archived) => {
                bring_back(tx, repository, &image, store_rules)?;
                true
            }
            _ => false,
        };
        batch.followed += usize::from(moved);
    }
    Ok(batch)
}

fn referrers(
    at: &Snapshot<'_>,
    repository: &Repository,
    subject: &Digest,
    after: i64,
) -> Result<Vec<Image>, Error> {
    let digests = at.query(
        "SELECT digest FROM images WHERE repository_id = ?1 AND subject = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
        &[
            Value::Integer(repository.id),
            Value::Blob(subject.as_bytes()),
            Value::Integer(after),
            Value::Integer(REFERRERS_PER_BATCH),
        ],
        |row| stored(Digest::from_bytes(row.blob(0)?)),
    )?;
    let mut images = Vec::new();
    for digest in &digests {
        images.extend(find(at, repository, digest)?);
    }
    Ok(images)
}
