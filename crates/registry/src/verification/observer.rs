//! Refuses tags on images that the key of their repository has not signed.

use std::sync::Arc;

use ecru_store::Tx;

use super::{Subject, check};
use crate::Error;
use crate::ports::image_observer::{Admission, ImageObserver};
use ecru_platform::ports::KeySource;

pub(crate) struct Observer {
    pub(crate) key_source: Arc<dyn KeySource>,
}

impl ImageObserver for Observer {
    /// Applies to every manifest, even one with a subject: an image must be signed before it gets a tag.
    fn admit(&self, tx: &Tx<'_>, admission: &Admission<'_>) -> Result<(), Error> {
        let subject = Subject {
            digest: admission.digest,
            manifest: admission.manifest,
        };
        let tags = admission.tags.iter().copied();
        check(tx, self.key_source.as_ref(), admission.repository, subject, tags)
    }
}
