//! What the rooms need from outside, as traits: the server hands in what implements them.

pub(crate) mod image_observer;
pub(crate) mod image_scanner;
pub(crate) mod secret;
pub(crate) mod trouble;
pub(crate) mod upstreams;
pub(crate) mod verification_key;

use std::sync::Arc;

use image_scanner::ImageScanner;
use upstreams::Upstreams;
use verification_key::{KeySource, NoKeys};

#[derive(Clone)]
pub struct Ports {
    /// Without it, no image can be scanned.
    pub scanner: Option<Arc<dyn ImageScanner>>,
    /// Without it, no other registry can be reached.
    pub upstreams: Option<Arc<dyn Upstreams>>,
    /// Where the KMS keys are that signatures are verified with.
    pub key_source: Arc<dyn KeySource>,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            scanner: None,
            upstreams: None,
            key_source: Arc::new(NoKeys),
        }
    }
}
