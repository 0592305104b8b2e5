//! Brings archived images back, which takes a while.

use std::sync::Arc;

use ecru_model::{ImageStatus, Timestamp};
use ecru_store::{Tx, Value};
use serde_json::json;

use super::{bring_back, schedule, subject_of};
use crate::images::manifest::Manifest;
use crate::images::{Image, find, manifest_of};
use crate::jobs::{Job, Kind, Lease, Outcome};
use crate::repositories::{self, Repository, stored};
use crate::{Error, Service};

/// The image is on its way until it is due. An active index must not name what cannot be pulled, so what an index names comes
/// back with it.
pub(super) fn begin_activation(
    tx: &Tx<'_>,
    repository: &Repository,
    image: &Image,
    due: Timestamp,
) -> Result<(), Error> {
    let mut waiting = vec![image.clone()];
    while let Some(image) = waiting.pop() {
        tx.execute(
            "UPDATE images SET status = ?2 WHERE id = ?1",
            &[
                Value::Integer(image.id),
                Value::Text(ImageStatus::Activating.as_str()),
            ],
        )?;
        schedule(tx, repository, Kind::Activation, &image.digest, due)?;

        let manifest = stored(Manifest::parse(
            &manifest_of(tx, &image)?,
            Some(&image.media_type),
        ))?;
        for child in &manifest.children {
            let child = find(tx, repository, child)?;
            waiting.extend(child.filter(|child| child.status == ImageStatus::Archived));
        }
    }
    Ok(())
}

/// The restore is done, unless a push was quicker.
pub(crate) async fn run(service: &Arc<Service>, job: &Job, lease: &Lease) -> Result<Outcome, Error> {
    let (name, digest) = subject_of(job)?;
    let (scope, lease, now) = (job.scope.clone(), lease.clone(), service.clock.now());
    let activated = service
        .store
        .write(move |tx| {
            lease.check(tx)?;
            let Some(repository) = repositories::find(tx, &scope, &name)? else {
                return Ok(false);
            };
            let image = find(tx, &repository, &digest)?;
            let Some(image) = image.filter(|image| image.status == ImageStatus::Activating) else {
                return Ok(false);
            };
            bring_back(tx, &repository, &image, now)?;
            Ok::<_, Error>(true)
        })
        .await?;
    Ok(Outcome::Done(json!({ "activated": activated })))
}
