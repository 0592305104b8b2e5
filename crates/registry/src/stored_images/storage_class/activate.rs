//! Restores archived images, which takes a while.

use std::sync::Arc;

use ecru_model::{ImageStatus, Timestamp};
use ecru_platform::jobs::{Job, Lease, Outcome, Work};
use ecru_store::{Tx, Value, stored};
use serde_json::json;

use super::{bring_back, schedule};
use crate::manifests::Manifest;
use crate::records::repositories::{self, Repository};
use crate::stored_images::{Image, find, manifest_of};
use crate::subjects::ImageSubject;
use crate::{Error, Service};

/// The image stays in the status `ACTIVATING` until the restore is due. An active index must name only images
/// that can be pulled, so these are restored with the index.
pub(crate) fn begin_activation(
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
        schedule::<Activation>(tx, repository, &image.digest, due)?;

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

/// The job that ends a restore, unless a push has restored the image earlier.
pub(crate) struct Activation;

impl Work for Activation {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = "activation";
    type Subject = ImageSubject;

    async fn run(service: &Arc<Service>, job: Job<ImageSubject>, lease: &Lease) -> Result<Outcome, Error> {
        let (lease, store_rules) = (lease.clone(), service.store_rules());
        let activated = service
            .store
            .write(move |tx| {
                lease.check(tx)?;
                let ImageSubject { name, digest } = &job.subject;
                let Some(repository) = repositories::find(tx, &job.scope, name)? else {
                    return Ok(false);
                };
                let image = find(tx, &repository, digest)?;
                let Some(image) = image.filter(|image| image.status == ImageStatus::Activating) else {
                    return Ok(false);
                };
                bring_back(tx, &repository, &image, &store_rules)?;
                Ok::<_, Error>(true)
            })
            .await?;
        Ok(Outcome::Done(json!({ "activated": activated })))
    }
}
