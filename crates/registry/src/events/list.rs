//! Reading events back, in their order.

use std::ops::ControlFlow;

use ecru_model::{Region, RegistryId};
use ecru_store::{Snapshot, StoreError, Value};

use super::Envelope;
use crate::introspection::Extent;
use crate::mac::Keys;
use crate::{Error, Page, Service};

/// A filter that few events pass gives a short page, rather than a walk over all of them.
const ROWS_EXAMINED_PER_ROW: u32 = 10;

/// Which events are shown; each part that is named has to agree.
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

/// A page of events after one, by their sequence. It may be short and yet have a next one.
pub fn list_events(
    service: &Service,
    filter: &EventFilter,
    extent: Extent,
) -> Result<Page<Envelope, i64>, Error> {
    let page = service
        .store
        .read(|at| examine(at, &service.keys, filter, extent));
    page.map_err(Error::from)
}

fn examine(
    at: &Snapshot<'_>,
    keys: &Keys,
    filter: &EventFilter,
    extent: Extent,
) -> Result<Page<Envelope, i64>, StoreError> {
    let limit = extent.limit as usize;
    let rows_max = extent.limit.saturating_mul(ROWS_EXAMINED_PER_ROW);
    let mut items = Vec::new();
    let mut examined = 0;
    let mut reached = extent.after;
    let mut next = None;
    at.each(AFTER, &after(extent.after), &mut |row| {
        if items.len() == limit || examined == rows_max {
            next = Some(reached);
            return Ok(ControlFlow::Break(()));
        }
        let event = Envelope::from_row(row, keys)?;
        examined += 1;
        reached = event.sequence;
        if filter.accepts(&event) {
            items.push(event);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Page { items, next })
}

const AFTER: &str =
    "SELECT sequence, account, region, repository, source, detail_type, time, resources, detail
     FROM outbox WHERE sequence > ?1 ORDER BY sequence";

fn after(sequence: i64) -> [Value<'static>; 1] {
    [Value::Integer(sequence)]
}

/// The events after one, at most so many.
pub(super) fn read_after(
    at: &Snapshot<'_>,
    keys: &Keys,
    sequence: i64,
    limit: usize,
) -> Result<Vec<Envelope>, StoreError> {
    let mut found = Vec::new();
    at.each(AFTER, &after(sequence), &mut |row| {
        found.push(Envelope::from_row(row, keys)?);
        Ok(if found.len() == limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(found)
}
