//! `DescribeReplicationBackfillResults`: the progress of a backfill, and after its end a page of the results of its images.

use ecru_model::{
    DescribeReplicationBackfillResultsInput as Input, DescribeReplicationBackfillResultsOutput as Output,
    Digest, ReplicationBackfillResult, ReplicationBackfillResultStatus, RepositoryName,
};
use ecru_platform::paging::{Filling, Listing, Room};
use ecru_platform::{Page, paging};
use ecru_store::{Row, Snapshot, StoreError, Value, stored};

use super::{Backfill, load};
use crate::{Context, Error, stored_images};

pub async fn describe_replication_backfill_results(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeReplicationBackfillResults", input.registry_id.as_ref());
    let (id, filter) = (input.replication_backfill_id, input.result_status_filter);
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribeReplicationBackfillResults",
        scope: &access.scope.clone(),
        of: &id.as_str().to_ascii_lowercase(),
        filter: filter.map_or_else(String::new, |status| status.to_string()),
    };
    let after = listing.integer_key(input.next_token.as_deref())?;

    let (now, wanted) = (ctx.clock.now(), id.clone());
    let (backfill, page) = paging::read(&ctx.store, limit, move |at, room| {
        access.registry(at)?;
        let backfill = load(at, &access.scope, &wanted, now)?;
        let page = results(at, &backfill, filter, after, room)?;
        Ok::<_, Error>((backfill, page))
    })
    .await?;
    Ok(Output {
        replication_backfill_id: Some(backfill.public_id()?),
        destination: Some(backfill.destination()),
        status: Some(backfill.status),
        progress: backfill.progress(),
        results: Some(page.items),
        started_at: Some(backfill.started_at),
        ended_at: backfill.ended_at,
        next_token: page.next.map(|position| listing.token(&position.to_be_bytes())),
        failure_code: backfill.failure_code,
        registry_id: Some(backfill.source.registry_id),
    })
}

/// None while the backfill is under way. Replications that were tried come first, so that the remainder of a
/// stopped backfill need not be read.
fn results(
    at: &Snapshot<'_>,
    backfill: &Backfill,
    filter: Option<ReplicationBackfillResultStatus>,
    after: i64,
    room: &Room,
) -> Result<Page<ReplicationBackfillResult, i64>, StoreError> {
    let mut filling = Filling::new(room);
    let mut put = |row: &Row<'_>| {
        let (position, result) = from_row(row)?;
        filling.put(position, text_bytes(&result), || Ok(Some(result)))
    };
    let (from, to) = (Value::Integer(after), Value::Integer(backfill.tried()));
    let (id, limit) = (
        Value::Integer(backfill.id),
        Value::Integer(i64::from(room.rows()) + 1),
    );
    match filter {
        _ if !backfill.is_terminal() => {}
        None => at.each(
            "SELECT position, repository, digest, tag, status, failure_code, sub_image_failure_codes
             FROM replication_backfill_results WHERE backfill_id = ?1 AND position > ?2 AND position <= ?3
             ORDER BY position LIMIT ?4",
            &[id, from, to, limit],
            &mut put,
        )?,
        Some(status) => at.each(
            "SELECT position, repository, digest, tag, status, failure_code, sub_image_failure_codes
             FROM replication_backfill_results WHERE backfill_id = ?1 AND status = ?5 AND position > ?2
                 AND position <= ?3 ORDER BY position LIMIT ?4",
            &[id, from, to, limit, Value::Text(status.as_str())],
            &mut put,
        )?,
    }
    Ok(filling.page())
}

fn text_bytes(result: &ReplicationBackfillResult) -> usize {
    let tag = result.image_id.image_tag.as_ref().map_or(0, String::len);
    let codes = result.sub_image_failure_codes.iter().flatten().map(String::len);
    result.repository_name.as_str().len() + tag + codes.sum::<usize>()
}

fn from_row(row: &Row<'_>) -> Result<(i64, ReplicationBackfillResult), StoreError> {
    let digest = stored(Digest::from_bytes(row.blob(2)?))?;
    let result = ReplicationBackfillResult {
        repository_name: stored(RepositoryName::parse(row.text(1)?))?,
        image_id: stored_images::identifier(&digest, row.optional_text(3)?),
        status: stored(ReplicationBackfillResultStatus::parse(row.text(4)?))?,
        failure_code: row.optional_text(5)?.map(str::to_owned),
        sub_image_failure_codes: row
            .optional_text(6)?
            .map(|codes| codes.lines().map(str::to_owned).collect()),
    };
    Ok((row.integer(0)?, result))
}
