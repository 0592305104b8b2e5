//! Observers of images: the rooms that store and delete images call each observer and depend on none of them.

use std::fmt;
use std::sync::Arc;

use ecru_model::{Digest, ImageTag, Timestamp};
use ecru_store::Tx;

use crate::Error;
use crate::manifests::Manifest;
use crate::records::repositories::Repository;

/// An image of a repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ObservedImage<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) id: i64,
    pub(crate) digest: &'a Digest,
    pub(crate) media_type: &'a str,
    pub(crate) artifact_media_type: Option<&'a str>,
}

/// An image that will get tags, before it has a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admission<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) digest: &'a Digest,
    pub(crate) manifest: &'a [u8],
    pub(crate) tags: &'a [&'a ImageTag],
}

/// Every method runs in the transaction of the change; an error rolls the change back.
pub(crate) trait ImageObserver: Send + Sync {
    /// Called before a push is stored; an error refuses the push.
    fn admit(&self, _tx: &Tx<'_>, _admission: &Admission<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// A new image has its row, and no tags yet.
    fn inserted(&self, _tx: &Tx<'_>, _image: &ObservedImage<'_>, _now: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    /// A client pushed an image, or a tag of it.
    fn pushed(&self, _tx: &Tx<'_>, _image: &ObservedImage<'_>, _manifest: &Manifest) -> Result<(), Error> {
        Ok(())
    }

    /// The image can be pulled under these tags: they are new, or a restore made it available again.
    fn available(
        &self,
        _tx: &Tx<'_>,
        _image: &ObservedImage<'_>,
        _tags: &[ImageTag],
        _now: Timestamp,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// An archived image is active again.
    fn restored(&self, _tx: &Tx<'_>, _image: &ObservedImage<'_>, _now: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    /// The repository got another image, or another tag.
    fn images_changed(&self, _tx: &Tx<'_>, _repository: &Repository, _now: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    /// A tag was removed from an image that stays.
    fn tag_removed(&self, _tx: &Tx<'_>, _image: &ObservedImage<'_>, _tag: &ImageTag) -> Result<(), Error> {
        Ok(())
    }

    /// The rows of an image are about to be deleted.
    fn removing(&self, _tx: &Tx<'_>, _image: &ObservedImage<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// An image was deleted in this registry, not by a replication from another registry.
    fn deleted(&self, _tx: &Tx<'_>, _image: &ObservedImage<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// All observers, in the order in which they are called.
#[derive(Clone)]
pub(crate) struct ImageObservers(Arc<[Box<dyn ImageObserver>]>);

impl ImageObservers {
    pub(crate) fn new(observers: Vec<Box<dyn ImageObserver>>) -> Self {
        Self(observers.into())
    }

    pub(crate) fn each(
        &self,
        mut call: impl FnMut(&dyn ImageObserver) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.0.iter().try_for_each(|observer| call(observer.as_ref()))
    }
}

impl fmt::Debug for ImageObservers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} observers", self.0.len())
    }
}
