//! `DescribeReplicationBackfillResults`: how far a backfill is, and when it has ended, a page of what became of each image.

use ecru_model::{
    DescribeReplicationBackfillResultsInput as Input, DescribeReplicationBackfillResultsOutput as Output,
    Digest, ReplicationBackfillResult, ReplicationBackfillResultStatus, RepositoryName,
};
use ecru_store::{Row, Snapshot, StoreError, Value};

use super::{Backfill, load};
use crate::paging::{self, Listing};
use crate::repositories::stored;
use crate::{Context, Error, images};

pub async fn describe_replication_backfill_results(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeReplicationBackfillResults", input.registry_id.as_ref());
    let (id, filter) = (input.replication_backfill_id, input.result_status_filter);
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "DescribeReplicationBackfillResults",
        scope: &access.scope,
        repository: &id.as_str().to_ascii_lowercase(),
        filter: filter.map_or_else(String::new, |status| status.to_string()),
    };
    let after = listing.integer_key(input.next_token.as_deref())?;

    ctx.store.read(|at| {
        access.registry(at)?;
        let backfill = load(at, &access.scope, &id, ctx.clock.now())?;
        let found = if backfill.is_terminal() {
            results(at, &backfill, filter, after, limit + 1)?
        } else {
            Vec::new()
        };
        let (page, last) = paging::cut(found, limit);
        Ok(Output {
            replication_backfill_id: Some(backfill.public_id()?),
            destination: Some(backfill.destination()),
            status: Some(backfill.status),
            progress: backfill.progress(),
            results: Some(page.into_iter().map(|(_, result)| result).collect()),
            started_at: Some(backfill.started_at),
            ended_at: backfill.ended_at,
            next_token: last.map(|(position, _)| listing.token(&position.to_be_bytes())),
            failure_code: backfill.failure_code,
            registry_id: Some(backfill.source.registry_id),
        })
    })
}

/// Those that were tried come first, so that what a stopped backfill has left need not be read.
fn results(
    at: &Snapshot<'_>,
    backfill: &Backfill,
    filter: Option<ReplicationBackfillResultStatus>,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, ReplicationBackfillResult)>, StoreError> {
    let (from, to) = (Value::Integer(after), Value::Integer(backfill.tried()));
    let (id, limit) = (Value::Integer(backfill.id), Value::Integer(limit.into()));
    match filter {
        None => at.query(
            "SELECT position, repository, digest, tag, status, failure_code, sub_image_failure_codes
             FROM replication_backfill_results WHERE backfill_id = ?1 AND position > ?2 AND position <= ?3
             ORDER BY position LIMIT ?4",
            &[id, from, to, limit],
            from_row,
        ),
        Some(status) => at.query(
            "SELECT position, repository, digest, tag, status, failure_code, sub_image_failure_codes
             FROM replication_backfill_results WHERE backfill_id = ?1 AND status = ?5 AND position > ?2
                 AND position <= ?3 ORDER BY position LIMIT ?4",
            &[id, from, to, limit, Value::Text(status.as_str())],
            from_row,
        ),
    }
}

fn from_row(row: &Row<'_>) -> Result<(i64, ReplicationBackfillResult), StoreError> {
    let digest = stored(Digest::from_bytes(row.blob(2)?))?;
    let result = ReplicationBackfillResult {
        repository_name: stored(RepositoryName::parse(row.text(1)?))?,
        image_id: images::identifier(&digest, row.optional_text(3)?),
        status: stored(ReplicationBackfillResultStatus::parse(row.text(4)?))?,
        failure_code: row.optional_text(5)?.map(str::to_owned),
        sub_image_failure_codes: row
            .optional_text(6)?
            .map(|codes| codes.lines().map(str::to_owned).collect()),
    };
    Ok((row.integer(0)?, result))
}
