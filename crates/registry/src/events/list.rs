//! Lists events in their order.

use std::sync::Arc;

use ecru_model::{Region, RegistryId};
use ecru_platform::paging::{Extent, Filling};
use ecru_platform::{Page, paging};
use ecru_store::{Row, StoreError, Value};

use super::Envelope;
use crate::{Error, Service};

/// Selects events; each part that is set must match.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub account: Option<RegistryId>,
    pub region: Option<Region>,
    pub repository: Option<String>,
    pub detail_type: Option<String>,
}

impl EventFilter {
    fn accepts(&self, event: &Envelope) -> bool {
        fn agrees<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        agrees(self.account.as_ref(), &event.scope.registry_id)
            && agrees(self.region.as_ref(), &event.scope.region)
            && agrees(self.repository.as_ref(), &event.repository)
            && agrees(self.detail_type.as_ref(), &event.detail_type)
    }
}

/// A page of the events after a sequence. It may be short and still have a next page.
pub async fn list_events(
    service: &Arc<Service>,
    filter: EventFilter,
    extent: Extent,
) -> Result<Page<Envelope, i64>, Error> {
    let own = Arc::clone(service);
    paging::read_elsewhere(&service.store, extent.limit, move |at, room| {
        let mut filling = Filling::new(room);
        at.each(AFTER, &[Value::Integer(extent.after)], &mut |row| {
            let event = Envelope::from_row(row, &own.keys)?;
            filling.put(event.sequence, text_bytes(row)?, || {
                Ok(filter.accepts(&event).then_some(event))
            })
        })?;
        Ok(filling.page())
    })
    .await
}

const AFTER: &str =
    "SELECT sequence, account, region, repository, source, detail_type, time, resources, detail
     FROM outbox WHERE sequence > ?1 ORDER BY sequence";

fn text_bytes(row: &Row<'_>) -> Result<usize, StoreError> {
    let texts = [3, 7, 8].map(|column| row.text(column).map(str::len));
    texts.into_iter().sum()
}

/// The events after a sequence: at most `limit` of them, or a page of bytes.
pub(super) async fn read_after(
    service: &Arc<Service>,
    sequence: i64,
    limit: u32,
) -> Result<Vec<Envelope>, Error> {
    let extent = Extent {
        after: sequence,
        limit,
    };
    Ok(list_events(service, EventFilter::default(), extent).await?.items)
}
