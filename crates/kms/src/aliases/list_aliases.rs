//! `ListAliases`: the aliases of the account or of one key, in the order of their names.

use std::ops::ControlFlow;

use ecru_model::{Scope, Timestamp};
use ecru_platform::paging::{self, Filling};
use ecru_platform::ports::{DEFAULT_KEY_ALIAS, default_key_id};
use ecru_store::{Snapshot, StoreError, Value, stored};

use crate::generated::shapes::{
    AliasListEntry, AliasNameType, KeyIdType, ListAliasesInput as Input, ListAliasesOutput as Output,
};
use crate::records::key::Key;
use crate::records::listing::{after, answer, limit, listing};
use crate::{Context, Error};

pub(crate) async fn list_aliases(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("ListAliases");
    let of_key = input.key_id.as_ref().map(|name| name.as_str().to_owned());
    let listing = listing(
        ctx,
        &request,
        of_key.as_deref().unwrap_or_default(),
        String::new(),
    );
    let after = after(&listing, input.marker.as_ref())?;
    let limit = limit(input.limit);
    let page = paging::read(&ctx.store, limit, {
        let (request, of_key) = (request.clone(), of_key.clone());
        move |at, room| {
            let of_key = of_key
                .as_deref()
                .map(|name| request.key_by_id(at, name))
                .transpose()?;
            let mut filling = Filling::new(room);
            fill(
                at,
                (&request.scope, of_key.as_ref().map(|key| key.id.as_str())),
                &after,
                &mut filling,
            )?;
            Ok::<_, Error>(filling.page_by(|(name, _)| name.clone()))
        }
    })
    .await?;
    let (items, next_marker, truncated) = answer(&listing, page)?;
    Ok(Output {
        aliases: Some(items.into_iter().map(|(_, entry)| entry).collect()),
        next_marker,
        truncated: Some(truncated),
    })
}

type Aliases<'r> = Filling<'r, (String, AliasListEntry), ()>;

/// Merges the alias of the default key, which has no row, into the rows.
fn fill(
    at: &Snapshot<'_>,
    (scope, key_id): (&Scope, Option<&str>),
    after: &str,
    filling: &mut Aliases<'_>,
) -> Result<(), StoreError> {
    let default = default_key_id(scope);
    let is_listed = DEFAULT_KEY_ALIAS > after && key_id.is_none_or(|id| id == default);
    let mut waiting = is_listed.then(|| default_entry(scope, &default)).transpose()?;
    let mut is_full = false;
    at.each(
        "SELECT name, key_id, created_at, updated_at FROM kms_aliases
         WHERE account = ?1 AND region = ?2 AND name > ?3 AND (?4 = '' OR key_id = ?4) ORDER BY name",
        &[
            Value::Text(scope.registry_id.as_str()),
            Value::Text(scope.region.as_str()),
            Value::Text(after),
            Value::Text(key_id.unwrap_or_default()),
        ],
        &mut |row| {
            let name = row.text(0)?;
            if name > DEFAULT_KEY_ALIAS
                && let Some(entry) = waiting.take()
                && push(filling, DEFAULT_KEY_ALIAS, entry).is_break()
            {
                is_full = true;
                return Ok(ControlFlow::Break(()));
            }
            let times = [row.integer(2)?, row.integer(3)?].map(Timestamp::from_millis);
            let pushed = push(filling, name, entry(scope, name, row.text(1)?, times)?);
            is_full = pushed.is_break();
            Ok(pushed)
        },
    )?;
    if let Some(entry) = waiting.filter(|_| !is_full) {
        let _ = push(filling, DEFAULT_KEY_ALIAS, entry);
    }
    Ok(())
}

fn push(filling: &mut Aliases<'_>, name: &str, entry: AliasListEntry) -> ControlFlow<()> {
    filling.push(3 * name.len(), (name.to_owned(), entry))
}

fn default_entry(scope: &Scope, id: &str) -> Result<AliasListEntry, StoreError> {
    let created_at = Key::default_of(scope).created_at;
    entry(scope, DEFAULT_KEY_ALIAS, id, [created_at; 2])
}

fn entry(
    scope: &Scope,
    name: &str,
    key_id: &str,
    [created_at, updated_at]: [Timestamp; 2],
) -> Result<AliasListEntry, StoreError> {
    Ok(AliasListEntry {
        alias_name: Some(stored(AliasNameType::parse(name))?),
        alias_arn: Some(scope.arn("kms", "", name)),
        target_key_id: Some(stored(KeyIdType::parse(key_id))?),
        creation_date: Some(created_at),
        last_updated_date: Some(updated_at),
    })
}
