//! The pull-through cache: images of other registries, fetched on request and kept.
//!
//! A manifest is fetched while its client waits, then verified and returned. A job then fetches what the manifest names, and
//! stores the image once all of it is stored. A layer that is requested meanwhile goes to its client and into the store at the
//! same time.

mod blob;
pub(crate) mod credentials;
mod import;
mod manifest;
mod order;
mod origin;
mod referrers;
mod rules;
mod tags;
mod tee;

use std::sync::Arc;

use ecru_store::{Snapshot, StoreError, Tx};

use crate::Service;

pub(crate) use crate::ports::trouble::Trouble;
pub use crate::ports::upstreams::{
    Answering, Credentials, Pieces, Upstream, UpstreamBlob, UpstreamError, UpstreamManifest, Upstreams,
};
pub use blob::{Arriving, OpenedBlob, find_blob, open_blob};
pub(crate) use blob::{bring_layers, offers_layer};
pub(crate) use import::CacheImport;
pub(crate) use manifest::{Wanted, fetch_missing};
pub use manifest::{look_at_manifest, pull_manifest};
pub(crate) use origin::{Origin, origin_of};
pub(crate) use referrers::list_upstream_referrers;
pub use rules::{
    ListedRule, create_pull_through_cache_rule, delete_pull_through_cache_rule,
    describe_pull_through_cache_rules, list_rules, update_pull_through_cache_rule,
    validate_pull_through_cache_rule,
};

/// Whether any registry may have a rule. If none has, a pull need not look for rules.
pub(crate) fn has_rules(at: &Snapshot<'_>) -> Result<bool, StoreError> {
    rules::are_there(at)
}

pub(crate) fn forget_rules(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    rules::forget(tx, account)
}

pub(crate) fn upstreams(service: &Service) -> Result<&Arc<dyn Upstreams>, UpstreamError> {
    let upstreams = service.ports.upstreams.as_ref();
    upstreams.ok_or(UpstreamError::Forbidden(
        "this server does not contact other registries",
    ))
}
