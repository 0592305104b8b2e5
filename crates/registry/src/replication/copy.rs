//! Copies to a destination what an image needs there, children before their indexes, a batch of rows at a time.

use std::collections::HashSet;

use ecru_model::{Digest, ImageTag};
use ecru_platform::jobs::Lease;
use ecru_store::Tx;

use super::{Route, destination};
use crate::context::StoreRules;
use crate::records::repositories::{self, Repository};
use crate::stored_images::copy::{Original, link_layers, store_copy};
use crate::{Error, Service, stored_images};

/// Layers beyond this number are linked before the transaction that stores their image.
const LAYERS_PER_BATCH: usize = 200;

/// Why an image cannot be copied.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: Error,
    /// Whether it is about one of the images that an index names.
    pub(super) of_child: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            of_child: false,
        }
    }
}

/// Copies everything that the destination must have before `place` can store the image.
pub(super) async fn bring_needs(
    service: &Service,
    route: &Route,
    digest: &Digest,
    lease: &Lease,
) -> Result<(), Refusal> {
    let Some(original) = find_original(service, route, digest).await? else {
        return Ok(());
    };
    bring_children(service, route, &original, lease)
        .await
        .map_err(|error| Refusal {
            error,
            of_child: true,
        })?;
    link_many(service, route, &original, lease).await?;
    Ok(())
}

async fn bring_children(
    service: &Service,
    route: &Route,
    parent: &Original,
    lease: &Lease,
) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let mut waiting = Vec::new();
    waiting.extend(parent.children().iter().rev().map(|child| (*child, Visit::First)));
    while let Some((digest, visit)) = waiting.pop() {
        if visit == Visit::First && (!seen.insert(digest) || is_there(service, route, &digest).await?) {
            continue;
        }
        let Some(original) = find_original(service, route, &digest).await? else {
            continue;
        };
        if visit == Visit::First && !original.children().is_empty() {
            waiting.push((digest, Visit::AfterChildren));
            waiting.extend(
                original
                    .children()
                    .iter()
                    .rev()
                    .map(|child| (*child, Visit::First)),
            );
            continue;
        }
        link_many(service, route, &original, lease).await?;
        write(service, route, lease, move |tx, route, store_rules| {
            place(tx, route, &digest, &[], store_rules).map(drop)
        })
        .await?;
    }
    Ok(())
}

/// An index is visited twice: its children are copied in between.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    First,
    AfterChildren,
}

async fn find_original(service: &Service, route: &Route, digest: &Digest) -> Result<Option<Original>, Error> {
    service
        .store
        .read(|at| {
            let Some(from) = repositories::find(at, &route.source, &route.name)? else {
                return Ok(None);
            };
            Ok(Original::find(at, &from, digest)?)
        })
        .await
}

async fn is_there(service: &Service, route: &Route, digest: &Digest) -> Result<bool, Error> {
    service
        .store
        .read(|at| {
            let Some(to) = repositories::find(at, &route.destination, &route.name)? else {
                return Ok(false);
            };
            Ok(stored_images::find(at, &to, digest)?.is_some())
        })
        .await
}

async fn link_many(
    service: &Service,
    route: &Route,
    original: &Original,
    lease: &Lease,
) -> Result<(), Error> {
    let layers = original.layers();
    if layers.len() <= LAYERS_PER_BATCH {
        return Ok(());
    }
    for batch in layers.chunks(LAYERS_PER_BATCH) {
        let batch = batch.to_vec();
        write(service, route, lease, move |tx, route, store_rules| {
            let Some(from) = repositories::find(tx, &route.source, &route.name)? else {
                return Ok(());
            };
            let to = destination::open(tx, route, store_rules)?;
            Ok(link_layers(tx, &from, &to, &batch, store_rules.at.machine_now)?)
        })
        .await?;
    }
    Ok(())
}

async fn write(
    service: &Service,
    route: &Route,
    lease: &Lease,
    work: impl Fn(&Tx<'_>, &Route, &StoreRules) -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let (route, lease, store_rules) = (route.clone(), lease.clone(), service.store_rules());
    service
        .store
        .write(move |tx| {
            lease.check(tx)?;
            work(tx, &route, &store_rules)
        })
        .await
}

/// Stores an image at the destination under some of its tags. None if the source no longer has it.
pub(super) fn place(
    tx: &Tx<'_>,
    route: &Route,
    digest: &Digest,
    tags: &[ImageTag],
    store_rules: &StoreRules,
) -> Result<Option<Repository>, Error> {
    let Some(from) = repositories::find(tx, &route.source, &route.name)? else {
        return Ok(None);
    };
    let Some(original) = Original::find(tx, &from, digest)? else {
        return Ok(None);
    };
    let to = destination::open(tx, route, store_rules)?;
    let layers = original.layers();
    if layers.len() <= LAYERS_PER_BATCH {
        link_layers(tx, &from, &to, &layers, store_rules.at.machine_now)?;
    }
    store_copy(tx, &original, &to, tags, store_rules)?;
    Ok(Some(to))
}
