//! The service as a whole: all its parts exist when it opens.

use std::sync::Arc;

use ecru_platform::{Opening, Platform};
use ecru_store::{Snapshot, StoreError};

use crate::ports::Ports;
use crate::ports::image_observer::{ImageObserver, ImageObservers};
use crate::state::caching::Caching;
use crate::state::kept_manifests::KeptManifests;
use crate::state::pulls::Pulls;
use crate::state::verified_tokens::VerifiedTokens;
use crate::{
    Configuration, Service, UploadPlaces, lifecycle, pull_through_cache, replication, scanning, signing,
    verification,
};

/// What a start reads from the store.
pub struct Stored {
    caching: Caching,
}

impl Service {
    pub fn read(at: &Snapshot<'_>) -> Result<Stored, StoreError> {
        let caching = Caching::new(pull_through_cache::has_rules(at)?);
        Ok(Stored { caching })
    }

    /// Opens a platform that ECR alone uses, and blocks meanwhile.
    pub fn open(
        opening: Opening,
        configuration: Configuration,
        ports: Ports,
    ) -> Result<Arc<Self>, StoreError> {
        let (platform, stored) = Platform::open(opening, Self::read)?;
        Ok(Self::new(platform, stored, configuration, ports))
    }

    pub fn new(
        platform: Arc<Platform>,
        stored: Stored,
        configuration: Configuration,
        ports: Ports,
    ) -> Arc<Self> {
        Arc::new(Self {
            platform,
            upload_places: UploadPlaces::new(configuration.uploads_at_once),
            configuration,
            image_observers: ImageObservers::new(observers(&ports)),
            ports,
            verified_tokens: VerifiedTokens::default(),
            pulls: Pulls::default(),
            kept_manifests: KeptManifests::default(),
            caching: stored.caching,
        })
    }
}

/// In the order in which they are called.
fn observers(ports: &Ports) -> Vec<Box<dyn ImageObserver>> {
    let key_source = Arc::clone(&ports.key_source);
    vec![
        Box::new(verification::Observer { key_source }),
        Box::new(scanning::Observer),
        Box::new(signing::Observer),
        Box::new(replication::Observer),
        Box::new(lifecycle::Observer),
    ]
}
