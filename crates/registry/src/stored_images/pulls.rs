//! When images were last pulled: recorded in memory, written a little later, and never waited for.

use std::time::Duration;

use ecru_model::{Digest, Timestamp};
use ecru_store::{Snapshot, StoreError, Tx, Value};

use super::Image;
use crate::records::repositories::Repository;
use crate::state::pulls::{Arriving, Pulled};
use crate::{Context, Error, Service, pull_time_exclusions};

/// A pull is recorded again once the recorded one is this old.
const PRECISION_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// How long pulls are collected before they are written.
const GATHERING: Duration = Duration::from_secs(1);
const ROWS_PER_BATCH: usize = 200;
/// Records that the caller received the image.
pub(crate) fn note(
    ctx: &Context,
    at: &Snapshot<'_>,
    repository: &Repository,
    image: &Image,
) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    if !is_worth_recording(image.last_pulled_at, now)
        || pull_time_exclusions::excludes(at, &repository.scope, &ctx.caller)?
    {
        return Ok(());
    }
    let pulled = Pulled {
        repository_id: repository.id,
        digest: image.digest,
    };
    ctx.pulls.note(pulled, now);
    Ok(())
}

/// Records that the caller receives an image that is stored later.
pub(crate) async fn note_ahead(ctx: &Context, arriving: Arriving) -> Result<(), StoreError> {
    let is_excluded = |at: &Snapshot<'_>| pull_time_exclusions::excludes(at, &arriving.scope, &ctx.caller);
    if !ctx.store.read(is_excluded).await? {
        ctx.pulls.note_ahead(arriving, ctx.clock.now());
    }
    Ok(())
}

/// Writes the pull time of an image that was just stored.
pub(crate) fn save_arrived(
    tx: &Tx<'_>,
    repository: &Repository,
    digest: Digest,
    at: Timestamp,
) -> Result<(), StoreError> {
    let pulled = Pulled {
        repository_id: repository.id,
        digest,
    };
    save(tx, &[(pulled, at)])
}

pub(crate) fn is_worth_recording(recorded: Option<Timestamp>, now: Timestamp) -> bool {
    recorded.is_none_or(|at| now.as_millis().saturating_sub(at.as_millis()) >= PRECISION_MILLISECONDS)
}

/// Writes recorded pulls until the process ends. A failure, or the end of the process, loses only pull times.
pub(crate) async fn write_in_the_background(service: &Service) {
    loop {
        service.pulls.wanted().await;
        tokio::time::sleep(GATHERING).await;
        if let Err(error) = write(service).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "pull times were lost");
        }
    }
}

/// Writes all pulls that were recorded so far.
pub(crate) async fn write(service: &Service) -> Result<(), Error> {
    let noted = service.pulls.take();
    for batch in noted.chunks(ROWS_PER_BATCH) {
        let batch = batch.to_vec();
        service.store.write(move |tx| save(tx, &batch)).await?;
    }
    Ok(())
}

/// Skips an image that is gone, or whose stored pull time is recent by now.
fn save(tx: &Tx<'_>, batch: &[(Pulled, Timestamp)]) -> Result<(), StoreError> {
    for (pulled, at) in batch {
        tx.execute(
            "UPDATE images SET last_pulled_at = ?3 WHERE repository_id = ?1 AND digest = ?2
                 AND (last_pulled_at IS NULL OR last_pulled_at <= ?4)",
            &[
                Value::Integer(pulled.repository_id),
                Value::Blob(pulled.digest.as_bytes()),
                Value::Integer(at.as_millis()),
                Value::Integer(at.as_millis().saturating_sub(PRECISION_MILLISECONDS)),
            ],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_is_recorded_at_first_and_a_day_after_the_recorded_one() {
        let at = Timestamp::from_millis;
        let cases = [
            (None, 0, true),
            (Some(1_000), 1_000, false),
            (Some(1_000), 1_000 + PRECISION_MILLISECONDS - 1, false),
            (Some(1_000), 1_000 + PRECISION_MILLISECONDS, true),
            (Some(1_000), 0, false),
        ];
        for (recorded, now, worth) in cases {
            assert_eq!(
                is_worth_recording(recorded.map(at), at(now)),
                worth,
                "{recorded:?} {now}"
            );
        }
    }
}
