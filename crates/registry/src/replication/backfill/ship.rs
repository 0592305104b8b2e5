//! One replication of a backfill, and its result.

use std::sync::Arc;

use ecru_model::{Digest, ErrorCode, ImageTag, ReplicationBackfillResultStatus, RepositoryName};
use ecru_platform::jobs::Lease;
use ecru_store::{StoreError, Tx, Value, stored};

use super::Backfill;
use crate::context::StoreRules;
use crate::records::repositories;
use crate::replication::copy::{Refusal, bring_needs, place};
use crate::replication::run::failure_code;
use crate::replication::settle::tell;
use crate::replication::{Route, Shipment, record};
use crate::stored_images::copy::{Original, points_at};
use crate::{Error, Service, events};

/// The image and tag that the backfill has reached.
struct Item {
    position: i64,
    shipment: Shipment,
    tag: Option<ImageTag>,
}

/// Tries the next replication, and counts its result.
pub(super) async fn ship_next(
    service: &Arc<Service>,
    backfill: &Backfill,
    lease: &Lease,
) -> Result<(), Error> {
    let item = service.store.read(|at| {
        let position = backfill.tried() + 1;
        at.find(
            "SELECT repository, digest, tag FROM replication_backfill_results WHERE backfill_id = ?1 AND position = ?2",
            &[Value::Integer(backfill.id), Value::Integer(position)],
            |row| {
                let route = Route {
                    source: backfill.source.clone(),
                    name: stored(RepositoryName::parse(row.text(0)?))?,
                    destination: backfill.destination.clone(),
                };
                let digest = stored(Digest::from_bytes(row.blob(1)?))?;
                let tag = row.optional_text(2)?;
                Ok(Item {
                    position,
                    shipment: Shipment { route, digest },
                    tag: tag.map(|tag| stored(ImageTag::parse(tag))).transpose()?,
                })
            },
        )?
        .ok_or_else(|| StoreError::damaged("a replication of a backfill has no row"))
    }).await;
    let item = Arc::new(item.map_err(Error::from)?);
    match try_to_ship(service, backfill, &item, lease).await {
        Ok(()) => Ok(()),
        Err(refusal) if refusal.error.code == ErrorCode::ServerException => Err(refusal.error),
        Err(refusal) => record_failure(service, backfill, item, lease, &refusal).await,
    }
}

async fn try_to_ship(
    service: &Arc<Service>,
    backfill: &Backfill,
    item: &Arc<Item>,
    lease: &Lease,
) -> Result<(), Refusal> {
    let Shipment { route, digest } = &item.shipment;
    bring_needs(service, route, digest, lease).await?;

    let (id, item, lease, store_rules) = (
        backfill.id,
        Arc::clone(item),
        lease.clone(),
        service.store_rules(),
    );
    let shipped = service
        .store
        .write(move |tx| {
            lease.check(tx)?;
            ship(tx, id, &item, &store_rules)
        })
        .await;
    Ok(shipped?)
}

fn ship(tx: &Tx<'_>, id: i64, item: &Item, store_rules: &StoreRules) -> Result<(), Error> {
    let Shipment { route, digest } = &item.shipment;
    let from = repositories::load(tx, &route.source, &route.name)?;
    let held = match &item.tag {
        Some(tag) => points_at(tx, &from, tag, digest)?,
        None => true,
    };
    let tags = item.tag.clone().into_iter().collect::<Vec<_>>();
    let there = if held {
        place(tx, route, digest, &tags, store_rules)?
    } else {
        None
    };
    if there.is_none() {
        return Err(Error::new(
            ErrorCode::ImageNotFoundException,
            "the image or its tag is gone from the source",
        ));
    }
    let told = tags.iter().map(ImageTag::as_str).collect::<Vec<_>>();
    tell(tx, &item.shipment, &told, store_rules.at, events::replicated)?;
    record::note(tx, &from, digest, &route.destination, None)?;
    let original = Original::find(tx, &from, digest)?;
    let result = Outcome {
        status: ReplicationBackfillResultStatus::Complete,
        failure_code: None,
        sub_image_failure_codes: original.filter(Original::is_index).map(|_| ""),
    };
    Ok(save(tx, id, item.position, &result)?)
}

async fn record_failure(
    service: &Arc<Service>,
    backfill: &Backfill,
    item: Arc<Item>,
    lease: &Lease,
    refusal: &Refusal,
) -> Result<(), Error> {
    let (id, lease, at) = (backfill.id, lease.clone(), service.clock.moment());
    let (code, of_child) = (failure_code(&refusal.error), refusal.of_child);
    service
        .store
        .write(move |tx| {
            lease.check(tx)?;
            let Shipment { route, digest } = &item.shipment;
            let mut sub_image_failure_codes = None;
            if let Some(from) = repositories::find(tx, &route.source, &route.name)?
                && let Some(original) = Original::find(tx, &from, digest)?
            {
                record::note(tx, &from, digest, &route.destination, Some(code))?;
                if original.is_index() {
                    sub_image_failure_codes = Some(if of_child { code } else { "" });
                }
            }
            let told = item.tag.iter().map(ImageTag::as_str).collect::<Vec<_>>();
            tell(tx, &item.shipment, &told, at, events::replication_failed)?;
            let result = Outcome {
                status: ReplicationBackfillResultStatus::Failed,
                failure_code: Some(code),
                sub_image_failure_codes,
            };
            Ok(save(tx, id, item.position, &result)?)
        })
        .await
}

struct Outcome {
    status: ReplicationBackfillResultStatus,
    failure_code: Option<&'static str>,
    sub_image_failure_codes: Option<&'static str>,
}

fn save(tx: &Tx<'_>, id: i64, position: i64, outcome: &Outcome) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE replication_backfill_results SET status = ?3, failure_code = ?4, sub_image_failure_codes = ?5
         WHERE backfill_id = ?1 AND position = ?2",
        &[
            Value::Integer(id),
            Value::Integer(position),
            Value::Text(outcome.status.as_str()),
            Value::from(outcome.failure_code),
            Value::from(outcome.sub_image_failure_codes),
        ],
    )?;
    let Some(code) = outcome.failure_code else {
        tx.execute(
            "UPDATE replication_backfills SET completed = completed + 1 WHERE id = ?1",
            &[Value::Integer(id)],
        )?;
        return Ok(());
    };
    let codes = tx.find(
        "SELECT failure_codes FROM replication_backfills WHERE id = ?1",
        &[Value::Integer(id)],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    let mut codes = codes.unwrap_or_default();
    if !codes.lines().any(|known| known == code) {
        codes.push_str(code);
        codes.push('\n');
    }
    tx.execute(
        "UPDATE replication_backfills SET failed = failed + 1, failure_codes = ?2 WHERE id = ?1",
        &[Value::Integer(id), Value::Text(&codes)],
    )?;
    Ok(())
}
