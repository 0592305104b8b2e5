//! The service as a whole: all its parts exist when it opens.

use std::sync::Arc;

use ecru_store::{Options, Store, StoreError};

use crate::mac::Keys;
use crate::ports::Ports;
use crate::ports::image_observer::{ImageObserver, ImageObservers};
use crate::state::caching::Caching;
use crate::state::kept_manifests::KeptManifests;
use crate::state::principals::Principals;
use crate::state::pulls::Pulls;
use crate::state::runs::Runs;
use crate::state::verified_tokens::VerifiedTokens;
use crate::{
    BodyBudget, Clock, Configuration, Random, Service, UploadPlaces, clock, lifecycle, pull_through_cache,
    replication, scanning, signing, verification,
};

impl Service {
    /// Opens the data directory, and blocks meanwhile.
    pub fn open(
        options: &Options,
        clock: Clock,
        random: Random,
        configuration: Configuration,
        ports: Ports,
    ) -> Result<Arc<Self>, StoreError> {
        let (store, (keys, principals, caching)) = Store::open_and_read(options, |at| {
            clock::restore(&clock, at)?;
            let caching = Caching::new(pull_through_cache::has_rules(at)?);
            Ok((Keys::load(at)?, Principals::load(at)?, caching))
        })?;
        Ok(Arc::new(Self {
            store,
            clock,
            random,
            bodies: BodyBudget::default(),
            upload_places: UploadPlaces::new(configuration.uploads_at_once),
            configuration,
            image_observers: ImageObservers::new(observers(&ports)),
            ports,
            keys,
            verified_tokens: VerifiedTokens::default(),
            runs: Runs::default(),
            pulls: Pulls::default(),
            kept_manifests: KeptManifests::default(),
            principals,
            caching,
            clock_turn: tokio::sync::Mutex::default(),
        }))
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
