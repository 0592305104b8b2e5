//! Background work that removes sessions some time after they expired.

use std::sync::Arc;
use std::time::Duration;

use ecru_store::Value;
use serde_json::json;

use crate::jobs::{Job, Lease, LeaseError, Outcome, Work};
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
    const IS_STANDING: bool = true;

    async fn run(platform: &Arc<Platform>, _job: Job<()>, lease: &Lease) -> Result<Outcome, ServiceError> {
        // A test may have advanced the clock for a while, so the machine's time must have passed too.
        let now = platform.clock.now().as_millis();
        let now = now.min(platform.clock.machine_milliseconds());
        let lease = lease.clone();
        let removed = platform
            .store
            .write(move |tx| {
                lease.check(tx)?;
                let removed = tx.execute(
                    "DELETE FROM sessions WHERE access_key_id IN
                         (SELECT access_key_id FROM sessions WHERE expires_at < ?1 LIMIT 1000)",
                    &[Value::Integer(now.saturating_sub(KEPT_MILLISECONDS))],
                )?;
                Ok::<_, LeaseError>(removed)
            })
            .await
            .map_err(|lost| ServiceError::internal(lost.to_string()).caused_by(lost))?;
        Ok(Outcome::Later(json!({ "sessions": removed }), INTERVAL))
    }
}
