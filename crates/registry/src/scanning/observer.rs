//! Scans pushed images, and forgets the findings of deleted images.

use ecru_model::Timestamp;
use ecru_store::Tx;

use super::record::forget_image;
use super::request::scan_on_push;
use crate::Error;
use crate::ports::image_observer::{ImageObserver, ObservedImage};

pub(crate) struct Observer;

impl ImageObserver for Observer {
    fn inserted(&self, tx: &Tx<'_>, image: &ObservedImage<'_>, now: Timestamp) -> Result<(), Error> {
        Ok(scan_on_push(tx, image, now)?)
    }

    /// ECR forgets the earlier findings of the image, and scans it if it would scan a push.
    fn restored(&self, tx: &Tx<'_>, image: &ObservedImage<'_>, now: Timestamp) -> Result<(), Error> {
        forget_image(tx, image.id)?;
        Ok(scan_on_push(tx, image, now)?)
    }

    fn removing(&self, tx: &Tx<'_>, image: &ObservedImage<'_>) -> Result<(), Error> {
        Ok(forget_image(tx, image.id)?)
    }
}
