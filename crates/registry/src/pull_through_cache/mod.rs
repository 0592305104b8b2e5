//! The pull-through cache: images of other registries, fetched when they are asked for and kept.
//!
//! A manifest is fetched while its client waits, verified and answered; a job then brings what it names, and stores the image
//! once all of that is there. A layer that is asked for meanwhile goes to its client and into the store at once.

mod blob;
pub(crate) mod credentials;
mod flights;
mod import;
mod manifest;
mod order;
mod origin;
mod recollection;
mod referrers;
mod rules;
mod tags;
mod tee;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ecru_model::ErrorCode;
use ecru_store::{Snapshot, StoreError, Tx};

use crate::{Error, Service};

pub use blob::{Arriving, OpenedBlob, find_blob, open_blob};
pub(crate) use blob::{bring_layers, offers_layer};
use flights::Flights;
pub(crate) use import::run as run_import;
pub(crate) use manifest::{Wanted, fetch_missing};
pub use manifest::{look_at_manifest, pull_manifest};
pub(crate) use origin::{Origin, origin_of};
use recollection::{Absences, Sizes};
pub(crate) use referrers::list_upstream_referrers;
pub use rules::{
    ListedRule, create_pull_through_cache_rule, delete_pull_through_cache_rule,
    describe_pull_through_cache_rules, list_rules, update_pull_through_cache_rule,
    validate_pull_through_cache_rule,
};
pub use upstream::{
    Answering, Credentials, Pieces, Upstream, UpstreamBlob, UpstreamError, UpstreamManifest, Upstreams,
};

/// What the cache keeps in memory.
#[derive(Default)]
pub(crate) struct Caching {
    /// Whether any registry may have a rule, so that a pull where nobody uses the cache need not look.
    on: AtomicBool,
    flights: Flights,
    absences: Absences,
    sizes: Sizes,
}

impl Caching {
    pub(crate) fn load(at: &Snapshot<'_>) -> Result<Self, StoreError> {
        let caching = Self::default();
        if rules::are_there(at)? {
            caching.begins();
        }
        Ok(caching)
    }

    fn begins(&self) {
        self.absences.forget();
        self.on.store(true, Ordering::Release);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }
}

pub(crate) fn forget_rules(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    rules::forget(tx, account)
}

/// Why nothing came from upstream.
#[derive(Debug)]
pub(crate) enum Trouble {
    Upstream(UpstreamError),
    /// The credentials cannot be had.
    Secret(Error),
    Registry(Error),
}

impl From<UpstreamError> for Trouble {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Registry(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

/// As the service begins it; [unknown] how it goes on.
const DENIED: &str = "The authentication to the upstream registry failed. Verify that the credentials in the secret are \
                      valid and that the image can be pulled with them.";

impl Trouble {
    /// The same for a client of `/v2/`, who asked for what is `missing` here.
    fn answer(self, missing: Error, unable: ErrorCode) -> Error {
        match self {
            Self::Upstream(UpstreamError::NotFound) => missing,
            Self::Upstream(UpstreamError::Denied) => Error::new(ErrorCode::AccessDeniedException, DENIED),
            Self::Upstream(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an upstream registry did not answer a pull"
                );
                Error::new(unable, error.to_string()).caused_by(error)
            }
            Self::Secret(error) | Self::Registry(error) => error,
        }
    }

    /// For people, without anything of ours.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Upstream(UpstreamError::Denied) => DENIED.to_owned(),
            Self::Upstream(error) => error.to_string(),
            Self::Secret(error) => error.message.clone(),
            Self::Registry(_) => "the registry failed".to_owned(),
        }
    }

    /// [unknown] which codes the events of ECR have; these are those of its failures.
    fn code(&self) -> &'static str {
        match self {
            Self::Upstream(UpstreamError::NotFound) => "ImageNotFound",
            Self::Upstream(UpstreamError::Denied) => "UpstreamAccessDenied",
            Self::Upstream(UpstreamError::TooManyRequests) => "UpstreamTooManyRequests",
            Self::Upstream(_) => "UpstreamUnavailable",
            Self::Secret(error) | Self::Registry(error) => error.code.name(),
        }
    }

    /// Whether it may be gone when it is tried again.
    fn may_pass(&self) -> bool {
        match self {
            Self::Upstream(error) => matches!(
                error,
                UpstreamError::TooManyRequests
                    | UpstreamError::Unavailable(_)
                    | UpstreamError::Unusable(_)
                    | UpstreamError::Failed(_)
            ),
            Self::Secret(_) => false,
            Self::Registry(error) => matches!(
                error.code,
                ErrorCode::ServerException | ErrorCode::ThrottlingException
            ),
        }
    }
}

pub(crate) fn upstreams(service: &Service) -> Result<&Arc<dyn Upstreams>, UpstreamError> {
    service
        .upstreams
        .get()
        .ok_or(UpstreamError::Forbidden("this server asks no other registries"))
}
