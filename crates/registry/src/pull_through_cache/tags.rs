//! Tags that came from upstream: when each was last compared with upstream, and when the next comparison is due.

use ecru_model::Timestamp;
use ecru_store::{Snapshot, StoreError, Tx, Value};

const CHECKED_EVERY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// The pause after a failure of the upstream.
const PAUSE_MILLISECONDS: i64 = 5 * 60 * 1_000;

/// When a tag was last compared; none for a pushed tag.
pub(super) fn checked_at(
    at: &Snapshot<'_>,
    repository_id: i64,
    tag: &str,
) -> Result<Option<Timestamp>, StoreError> {
    at.find(
        "SELECT checked_at FROM cached_tags WHERE repository_id = ?1 AND tag = ?2",
        &[Value::Integer(repository_id), Value::Text(tag)],
        |row| Ok(Timestamp::from_millis(row.integer(0)?)),
    )
}

/// A tag is also due if it was compared more than an interval after now: the clock was set back since.
pub(super) fn is_due(checked_at: Timestamp, now: Timestamp) -> bool {
    let age = now.as_millis().saturating_sub(checked_at.as_millis());
    !(-CHECKED_EVERY_MILLISECONDS..=CHECKED_EVERY_MILLISECONDS).contains(&age)
}

/// The time to record for a tag that could not be compared, so that it is due again after a pause.
pub(super) fn after_trouble(now: Timestamp) -> Timestamp {
    let earlier = now.as_millis().saturating_sub(CHECKED_EVERY_MILLISECONDS);
    Timestamp::from_millis(earlier.saturating_add(PAUSE_MILLISECONDS))
}

pub(super) fn note(
    tx: &Tx<'_>,
    repository_id: i64,
    tag: &str,
    checked_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO cached_tags (repository_id, tag, checked_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository_id, tag) DO UPDATE SET checked_at = excluded.checked_at",
        &[
            Value::Integer(repository_id),
            Value::Text(tag),
            Value::Integer(checked_at.as_millis()),
        ],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_compared_after_a_day_and_soon_again_after_trouble() {
        let at = |hours: i64| Timestamp::from_millis(hours * 60 * 60 * 1_000);
        assert!(!is_due(at(0), at(24)));
        assert!(is_due(at(0), at(25)));
        assert!(!is_due(at(24), at(0)));
        assert!(is_due(at(25), at(0)), "the clock was moved back");
        assert!(!is_due(after_trouble(at(100)), at(100)));
        assert!(is_due(after_trouble(at(100)), at(101)));
    }
}
