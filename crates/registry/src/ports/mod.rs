//! The traits for what the rooms need from outside: the server passes in the implementations.

pub(crate) mod image_observer;
pub(crate) mod image_scanner;
pub(crate) mod secret;
pub(crate) mod trouble;
pub(crate) mod upstreams;
pub(crate) mod verification_key;

use std::sync::Arc;

use ecru_platform::ports::{KeySource, NoKeys};
use image_scanner::ImageScanner;
use upstreams::Upstreams;

#[derive(Clone)]
pub struct Ports {
    /// Without it, no image can be scanned.
    pub scanner: Option<Arc<dyn ImageScanner>>,
    /// Without it, no other registry can be reached.
    pub upstreams: Option<Arc<dyn Upstreams>>,
    /// The keys of KMS, which encrypt repositories and verify signatures.
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
