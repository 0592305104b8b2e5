//! `ListKeys`: the keys of the account, in the order of their ids. The default key of ECR is among them without a row.

use std::ops::ControlFlow;

use ecru_model::Scope;
use ecru_platform::paging::{self, Filling};
use ecru_platform::ports::default_key_id;
use ecru_store::{Snapshot, StoreError, Value, stored};

use crate::generated::shapes::{
    KeyIdType, KeyListEntry, ListKeysInput as Input, ListKeysOutput as Output, ResourceOwnerType,
};
use crate::records::key::key_arn;
use crate::records::listing::{after, answer, limit, listing};
use crate::records::request::Request;
use crate::{Context, Error};

pub(crate) async fn list_keys(ctx: &Context, input: Input) -> Result<Output, Error> {
    let own = input
        .resource_owners
        .is_none_or(|owners| owners.contains(&ResourceOwnerType::SelfValue));
    let request = ctx.request("ListKeys");
    let listing = listing(ctx, &request, "", own.to_string());
    let after = after(&listing, input.marker.as_ref())?;
    let limit = limit(input.limit);
    let page = paging::read(&ctx.store, limit, {
        let request = request.clone();
        move |at, room| {
            let mut filling = Filling::new(room);
            if own {
                fill(at, &request, &after, &mut filling)?;
            }
            Ok::<_, Error>(filling.page_by(|(id, _)| id.clone()))
        }
    })
    .await?;
    let (items, next_marker, truncated) = answer(&listing, page)?;
    Ok(Output {
        keys: Some(items.into_iter().map(|(_, entry)| entry).collect()),
        next_marker,
        truncated: Some(truncated),
    })
}

type Keys<'r> = Filling<'r, (String, KeyListEntry), ()>;

fn fill(at: &Snapshot<'_>, request: &Request, after: &str, filling: &mut Keys<'_>) -> Result<(), StoreError> {
    let scope = &request.scope;
    // Taken once the list has come to its place.
    let mut default = Some(default_key_id(scope)).filter(|id| id.as_str() > after);
    let mut is_full = false;
    at.each(
        "SELECT id FROM kms_keys
         WHERE account = ?1 AND region = ?2 AND id > ?3 AND deleted = 0 AND (deletion_at IS NULL OR deletion_at > ?4)
         ORDER BY id",
        &[
            Value::Text(scope.registry_id.as_str()),
            Value::Text(scope.region.as_str()),
            Value::Text(after),
            Value::Integer(request.now.as_millis()),
        ],
        &mut |row| {
            let id = row.text(0)?;
            if let Some(default) = default.take_if(|default| default.as_str() <= id)
                && default != id
                && push(filling, scope, &default)?.is_break()
            {
                is_full = true;
                return Ok(ControlFlow::Break(()));
            }
            let pushed = push(filling, scope, id)?;
            is_full = pushed.is_break();
            Ok(pushed)
        },
    )?;
    if let Some(default) = default.filter(|_| !is_full) {
        let _ = push(filling, scope, &default)?;
    }
    Ok(())
}

fn push(filling: &mut Keys<'_>, scope: &Scope, id: &str) -> Result<ControlFlow<()>, StoreError> {
    let entry = KeyListEntry {
        key_id: Some(stored(KeyIdType::parse(id))?),
        key_arn: Some(key_arn(scope, id)),
    };
    Ok(filling.push(2 * id.len(), (id.to_owned(), entry)))
}
