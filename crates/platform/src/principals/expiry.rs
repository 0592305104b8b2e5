//! Background work that removes sessions some time after they expired. It is scheduled with each session, and ends when none is left.

use std::sync::Arc;
use std::time::Duration;

use ecru_store::Value;
use serde_json::json;

use crate::jobs::{Job, Lease, Outcome, Work};
use crate::{Platform, ServiceError};

const INTERVAL: Duration = Duration::from_hours(1);
/// A client that still uses an expired session learns that it expired.
const KEPT_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;

pub struct SessionExpiry;

impl Work for SessionExpiry {
    type Service = Platform;
    type Error = ServiceError;
    type Subject = ();
    const NAME: &'static str = "session-expiry";

    async fn run(platform: &Arc<Platform>, _job: Job<()>, lease: &Lease) -> Result<Outcome, ServiceError> {
        // A test may have advanced the clock for a while, so the machine's time must have passed too.
        let now = platform.clock.now().as_millis();
        let now = now.min(platform.clock.machine_milliseconds());
        let lease = lease.clone();
        let (removed, is_any_left) = platform
            .store
            .write(move |tx| {
                lease.check(tx)?;
                let removed = tx.execute(
                    "DELETE FROM sessions WHERE access_key_id IN
                         (SELECT access_key_id FROM sessions WHERE expires_at < ?1 LIMIT 1000)",
                    &[Value::Integer(now.saturating_sub(KEPT_MILLISECONDS))],
                )?;
                let left = tx.find("SELECT 1 FROM sessions LIMIT 1", &[], |row| row.integer(0))?;
                Ok::<_, ServiceError>((removed, left.is_some()))
            })
            .await?;
        let summary = json!({ "sessions": removed });
        Ok(if is_any_left {
            Outcome::Later(summary, INTERVAL)
        } else {
            Outcome::Done(summary)
        })
    }
}
