//! Replicates pushes, and deletions where a rule replicates them.

use ecru_model::{ImageTag, Timestamp};
use ecru_store::Tx;

use super::{AT_ONCE, configuration, record, schedule_shipment};
use crate::Error;
use crate::ports::image_observer::{ImageObserver, ObservedImage};

pub(crate) struct Observer;

impl ImageObserver for Observer {
    fn available(
        &self,
        tx: &Tx<'_>,
        image: &ObservedImage<'_>,
        tags: &[ImageTag],
        now: Timestamp,
    ) -> Result<(), Error> {
        let repository = image.repository;
        for target in configuration::targets(tx, &repository.scope, &repository.name)? {
            record::want(tx, repository, image.digest, &target.destination, tags)?;
            schedule_shipment(tx, repository, image.digest, target.destination, now)?;
        }
        Ok(())
    }

    fn tag_removed(&self, tx: &Tx<'_>, image: &ObservedImage<'_>, tag: &ImageTag) -> Result<(), Error> {
        remove_elsewhere(tx, image, Some(tag))
    }

    fn removing(&self, tx: &Tx<'_>, image: &ObservedImage<'_>) -> Result<(), Error> {
        Ok(record::forget_image(tx, image.repository, image.digest)?)
    }

    fn deleted(&self, tx: &Tx<'_>, image: &ObservedImage<'_>) -> Result<(), Error> {
        remove_elsewhere(tx, image, None)
    }
}

/// Removes a tag, or the image, from every registry that deletions are replicated to.
fn remove_elsewhere(tx: &Tx<'_>, image: &ObservedImage<'_>, tag: Option<&ImageTag>) -> Result<(), Error> {
    let repository = image.repository;
    for target in configuration::targets(tx, &repository.scope, &repository.name)? {
        if target.deletions {
            record::want_removed(tx, repository, image.digest, &target.destination, tag)?;
            schedule_shipment(tx, repository, image.digest, target.destination, AT_ONCE)?;
        }
    }
    Ok(())
}
