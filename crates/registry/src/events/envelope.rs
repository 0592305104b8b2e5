//! An event as EventBridge passes it on.

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_platform::mac::{Keys, Purpose};
use ecru_store::{Row, StoreError, stored};
use serde_json::{Value as Json, json};

/// A recorded event.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Its place in the order of all events.
    pub sequence: i64,
    pub scope: Scope,
    /// Events of the same repository stay in order.
    pub repository: String,
    pub source: String,
    pub detail_type: String,
    pub time: Timestamp,
    pub resources: Vec<String>,
    pub detail: Json,
    /// The same at every delivery, so that a receiver can recognize a repeated event.
    pub id: String,
}

impl Envelope {
    /// Reads the columns in the order in which `list.rs` names them.
    pub(super) fn from_row(row: &Row<'_>, keys: &Keys) -> Result<Self, StoreError> {
        let sequence = row.integer(0)?;
        Ok(Self {
            sequence,
            scope: Scope {
                registry_id: stored(RegistryId::parse(row.text(1)?))?,
                region: stored(Region::parse(row.text(2)?))?,
            },
            repository: row.text(3)?.to_owned(),
            source: row.text(4)?.to_owned(),
            detail_type: row.text(5)?.to_owned(),
            time: Timestamp::from_millis(row.integer(6)?),
            resources: stored(serde_json::from_str(row.text(7)?))?,
            detail: stored(serde_json::from_str(row.text(8)?))?,
            id: id(keys, sequence),
        })
    }

    /// The document that EventBridge sends to its targets.
    pub fn to_json(&self) -> Json {
        json!({
            "version": "0",
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": self.scope.registry_id.as_str(),
            "time": self.time.whole_seconds().to_string(),
            "region": self.scope.region.as_str(),
            "resources": self.resources,
            "detail": self.detail,
        })
    }
}

/// Derived from values that never change, so it is not stored. It is unique to this data directory.
fn id(keys: &Keys, sequence: i64) -> String {
    let tag = keys.sign(Purpose::EventId, &[&sequence.to_be_bytes()]);
    let mut bytes = [0; 16];
    for (byte, made) in bytes.iter_mut().zip(tag) {
        *byte = made;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
