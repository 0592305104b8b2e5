//! `/_ecru/events`: the recorded events, as EventBridge delivers them.

use ecru_model::{Region, RegistryId};
use ecru_registry::events::{Envelope, EventFilter, list_events};
use serde::{Deserialize, Serialize, Serializer};

use crate::body::NoBody;
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "events",
    "The events that changes have caused.",
    [route!(
        Get,
        "/_ecru/events",
        "listEvents",
        "Lists events in the form in which EventBridge delivers them",
        list
    )]
);

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EventsQuery {
    /// Only events of this account.
    account: Option<Text<RegistryId>>,
    /// Only events of this region.
    region: Option<Text<Region>>,
    /// Only events about the repository of this name.
    repository: Option<String>,
    /// Only events of this type, such as `ECR Image Action`.
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Events {
    #[cfg_attr(test, schemars(with = "Vec<tests::Event>"))]
    events: Vec<Printed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Becomes JSON only while the page is printed.
struct Printed(Envelope);

impl Serialize for Printed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_json().serialize(serializer)
    }
}

async fn list(call: Call<'_>, query: EventsQuery, _: NoBody) -> Result<Events, Problem> {
    let filter = EventFilter {
        account: query.account.map(|Text(account)| account),
        region: query.region.map(|Text(region)| region),
        repository: query.repository,
        detail_type: query.detail_type,
    };
    let found = list_events(&call.control.ecr, filter, query.paging.extent()?).await?;
    let (events, next) = shown(found, Printed);
    Ok(Events { events, next })
}

#[cfg(test)]
mod tests {
    use ecru_model::Timestamp;

    use super::*;

    /// An event as EventBridge delivers it.
    #[derive(schemars::JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "describes what another type prints")]
    pub(super) struct Event {
        version: String,
        /// The same at every delivery.
        id: String,
        detail_type: String,
        source: String,
        account: Text<RegistryId>,
        time: Text<Timestamp>,
        region: Text<Region>,
        /// ARNs.
        resources: Vec<String>,
        /// Members that depend on the type.
        detail: serde_json::Map<String, serde_json::Value>,
    }
}
