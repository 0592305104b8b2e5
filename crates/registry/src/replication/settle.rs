//! Makes a destination match its source within one transaction, and records the events of the destination.

use ecru_model::{Digest, ImageTag, ReplicationStatus};
use ecru_platform::clock::Moment;
use ecru_store::{Snapshot, StoreError, Tx};

use super::copy::place;
use super::record::{self, Pending};
use super::{Shipment, configuration, destination};
use crate::context::StoreRules;
use crate::events::{self, Replicated};
use crate::records::repositories::{self, Repository};
use crate::stored_images::copy::{points_at, remove_copied_tag, remove_copy};
use crate::{Error, stored_images};

/// The result of one transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Whether more tasks are left.
    pub(super) more: bool,
    pub(super) tags: usize,
    pub(super) removed: usize,
    pub(super) image: bool,
}

pub(super) fn settle(tx: &Tx<'_>, shipment: &Shipment, store_rules: &StoreRules) -> Result<Settled, Error> {
    let Shipment { route, digest } = shipment;
    let Some((repository, pending)) = find_pending(tx, shipment)? else {
        return Ok(Settled::default());
    };
    if !configuration::sends(tx, route)? {
        record::forget(tx, pending.id)?;
        return Ok(Settled::default());
    }
    let exists = stored_images::find(tx, &repository, digest)?.is_some();
    let (mut held, mut gone) = (Vec::new(), Vec::new());
    for (tag, task) in &pending.tags {
        if points_at(tx, &repository, tag, digest)? {
            held.push(tag.clone());
        } else if task.removal {
            gone.push(tag);
        }
    }

    let mut settled = Settled {
        more: pending.more,
        ..Settled::default()
    };
    if exists && pending.image.is_some() {
        settled.image = true;
        settled.tags = bring(tx, shipment, &held, store_rules)?;
    }
    let image_goes = !exists && pending.image.is_some_and(|task| task.removal);
    if image_goes || !gone.is_empty() {
        settled.removed = remove(tx, shipment, image_goes, &gone, store_rules)?;
    }
    record::settle(tx, &pending)?;
    Ok(settled)
}

/// The tasks of a shipment. None if the repository or the tasks are gone.
pub(super) fn find_pending(
    at: &Snapshot<'_>,
    shipment: &Shipment,
) -> Result<Option<(Repository, Pending)>, StoreError> {
    let Shipment { route, digest } = shipment;
    let Some(repository) = repositories::find(at, &route.source, &route.name)? else {
        return Ok(None);
    };
    let pending = record::find_pending(at, &repository, digest, &route.destination)?;
    Ok(pending.map(|pending| (repository, pending)))
}

/// Returns the number of these tags that the image has at the destination.
fn bring(
    tx: &Tx<'_>,
    shipment: &Shipment,
    tags: &[ImageTag],
    store_rules: &StoreRules,
) -> Result<usize, Error> {
    let Shipment { route, digest } = shipment;
    let Some(there) = place(tx, route, digest, tags, store_rules)? else {
        return Ok(0);
    };
    let mut brought = Vec::new();
    for tag in tags {
        // A frozen tag of the destination does not move.
        if points_at(tx, &there, tag, digest)? {
            brought.push(tag.as_str());
        }
    }
    tell(tx, shipment, &brought, store_rules.at, events::replicated)?;
    Ok(brought.len())
}

fn remove(
    tx: &Tx<'_>,
    shipment: &Shipment,
    image_goes: bool,
    tags: &[&ImageTag],
    store_rules: &StoreRules,
) -> Result<usize, Error> {
    let Some(there) = destination::find(tx, &shipment.route, store_rules)? else {
        return Ok(0);
    };
    let at = store_rules.at;
    for tag in tags {
        remove_copied_tag(tx, &there, tag, &shipment.digest, at)?;
    }
    if image_goes {
        remove_copy(tx, &there, &shipment.digest, store_rules)?;
    }
    Ok(tags.len() + usize::from(image_goes))
}

/// Records an event at the destination for each tag, or one event for an image without tags.
pub(super) fn tell(
    tx: &Tx<'_>,
    shipment: &Shipment,
    tags: &[&str],
    at: Moment,
    event: impl Fn(&Replicated<'_>) -> events::Event,
) -> Result<(), StoreError> {
    let route = &shipment.route;
    let untagged = [None];
    let tagged = tags.iter().map(|tag| Some(*tag)).collect::<Vec<_>>();
    let told: &[Option<&str>] = if tags.is_empty() { &untagged } else { &tagged };
    for tag in told {
        let of = Replicated {
            scope: &route.destination,
            repository: &route.name,
            source: &route.source,
            digest: &shipment.digest,
            tag: *tag,
            time: at.now,
        };
        events::record(tx, &route.destination, &event(&of))?;
    }
    Ok(())
}

/// Records a refusal, with an event if it is the first. Returns the number of refusals since the last push.
pub(super) fn refuse(
    tx: &Tx<'_>,
    shipment: &Shipment,
    failure_code: &str,
    at: Moment,
) -> Result<Option<(i64, i64)>, Error> {
    let Some((repository, pending)) = find_pending(tx, shipment)? else {
        return Ok(None);
    };
    if pending.status == Some(ReplicationStatus::InProgress) {
        let held = held_tags(tx, &repository, &pending, &shipment.digest)?;
        tell(tx, shipment, &held, at, events::replication_failed)?;
    }
    let refusals = record::refuse(tx, pending.id, failure_code)?;
    Ok(Some((pending.id, refusals)))
}

fn held_tags<'p>(
    tx: &Tx<'_>,
    repository: &Repository,
    pending: &'p Pending,
    digest: &Digest,
) -> Result<Vec<&'p str>, StoreError> {
    let mut held = Vec::new();
    for (tag, _) in &pending.tags {
        if points_at(tx, repository, tag, digest)? {
            held.push(tag.as_str());
        }
    }
    Ok(held)
}
