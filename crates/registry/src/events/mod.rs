//! Events as ECR sends them to EventBridge: each is recorded with the change that caused it, then delivered and kept for a while.

mod cache_action;
mod deliver;
mod envelope;
mod image_action;
mod list;
mod replication_action;
mod scan;
mod sink;
mod trim;

use ecru_model::{Scope, Timestamp};
use ecru_platform::clock;
use ecru_store::{Snapshot, StoreError, Topic, Tx, Value};
use serde_json::Value as Json;

pub use cache_action::{CacheSync, cache_sync_failed, cache_synced};
pub use deliver::{connect, deliver_to};
pub use envelope::Envelope;
pub use image_action::{About, archived, image_deleted, image_pushed, restored};
pub use list::{EventFilter, list_events};
pub use replication_action::{Replicated, replicated, replication_failed};
pub use scan::{Scanned, enhanced_scan_ended, finding_changed, scan_ended, scan_frequency_changed};
pub use sink::{Delivery, EventSink, SinkError};
pub(crate) use trim::{forget, trim};

const ECR: &str = "aws.ecr";
const INSPECTOR: &str = "aws.inspector2";

/// The maximum size of the tags that one event names.
const TAGS_BYTES_MAX: usize = 4 * 1024;

/// Announced by every transaction that records an event.
pub(crate) const RECORDED: Topic = Topic::new(1);

/// An event, built by the room that causes it.
#[derive(Clone, Debug)]
pub struct Event {
    pub source: &'static str,
    pub detail_type: &'static str,
    /// ARNs.
    pub resources: Vec<String>,
    /// The repository whose events stay in order.
    pub repository: String,
    /// By the clock that users see.
    pub time: Timestamp,
    pub detail: Json,
}

/// Records an event in the transaction of the change that it reports.
pub(crate) fn record(tx: &Tx<'_>, scope: &Scope, event: &Event) -> Result<(), StoreError> {
    let resources = Json::from(event.resources.clone()).to_string();
    let detail = event.detail.to_string();
    tx.execute(
        "INSERT INTO outbox (sequence, account, region, repository, source, detail_type, time, recorded_at,
                             resources, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        &[
            Value::Integer(newest(tx)? + 1),
            Value::Text(scope.registry_id.as_str()),
            Value::Text(scope.region.as_str()),
            Value::Text(&event.repository),
            Value::Text(event.source),
            Value::Text(event.detail_type),
            Value::Integer(event.time.as_millis()),
            Value::Integer(clock::machine_milliseconds()),
            Value::Text(&resources),
            Value::Text(&detail),
        ],
    )?;
    tx.announce(RECORDED);
    Ok(())
}

/// The first tags of an image, up to the number that one event names. [unknown] where the service stops:
/// EventBridge accepts no event beyond 256 KiB, and a scan writes one event for each finding.
pub(crate) fn first_of<T>(tags: Vec<T>, text: impl Fn(&T) -> &str) -> Vec<T> {
    let mut bytes = 0;
    let mut fits = |tag: &T| {
        bytes += text(tag).len();
        bytes <= TAGS_BYTES_MAX
    };
    tags.into_iter().take_while(|tag| fits(tag)).collect()
}

/// The sequence of the last event, even if that event was removed; zero before the first event.
fn newest(at: &Snapshot<'_>) -> Result<i64, StoreError> {
    let last = at.query(
        "SELECT max(sequence) FROM outbox UNION ALL SELECT sequence FROM outbox_floor",
        &[],
        |row| row.optional_integer(0),
    )?;
    Ok(last.into_iter().flatten().max().unwrap_or(0))
}
