//! `ListReplicationBackfills`: a page of the backfills of a registry, newest first.

use ecru_model::{
    ListReplicationBackfillsInput as Input, ListReplicationBackfillsOutput as Output,
    ReplicationBackfillSummary,
};
use ecru_platform::paging;
use ecru_platform::paging::Listing;
use ecru_store::StoreError;

use super::{Backfill, list};
use crate::{Context, Error};

const PAGE_DEFAULT: i32 = 25;

pub async fn list_replication_backfills(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("ListReplicationBackfills", input.registry_id.as_ref());
    let limit = paging::limit(input.max_results.or(Some(PAGE_DEFAULT)));
    let listing = Listing {
        keys: &ctx.keys,
        operation: "ListReplicationBackfills",
        scope: &access.scope.clone(),
        of: "",
        filter: String::new(),
    };
    let before = match input.next_token.as_deref() {
        Some(token) => listing.integer_key(Some(token))?,
        None => i64::MAX,
    };

    let now = ctx.clock.now();
    let registry_id = access.scope.registry_id.clone();
    let page = paging::read(&ctx.store, limit, move |at, room| {
        access.registry(at)?;
        Ok::<_, Error>(list(at, &access.scope, before, now, room)?)
    })
    .await?;
    let summaries = page.items.iter().map(summary).collect::<Result<_, _>>();
    Ok(Output {
        registry_id: Some(registry_id),
        backfills: Some(summaries?),
        next_token: page.next.map(|id| listing.token(&id.to_be_bytes())),
    })
}

fn summary(backfill: &Backfill) -> Result<ReplicationBackfillSummary, StoreError> {
    Ok(ReplicationBackfillSummary {
        replication_backfill_id: backfill.public_id()?,
        destination: backfill.destination(),
        status: backfill.status,
        failure_code: backfill.failure_code.clone(),
        progress: backfill.progress(),
        started_at: backfill.started_at,
        ended_at: backfill.ended_at,
    })
}
