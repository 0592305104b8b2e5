//! The right of one run to change rows for its job.

use ecru_store::{StoreError, Tx, Value};

use super::JobRow;
use crate::{Clock, ServiceError};

/// Longer than any pause of a living process, and short enough for work to wait after its process died.
const LEASE_MILLISECONDS: i64 = 60_000;
/// The interval at which a run that commits nothing renews its lease.
pub(super) const RENEWAL: std::time::Duration = std::time::Duration::from_secs(20);

/// Why a run must stop.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error("another run has taken over this work")]
    Lost,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LeaseError> for ServiceError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost => Self::internal(error.to_string()),
            LeaseError::Store(error) => error.into(),
        }
    }
}

/// Held by a run; a clone is the same lease.
#[derive(Clone, Debug)]
pub struct Lease {
    job_id: i64,
    owner: String,
    clock: Clock,
}

impl Lease {
    pub(super) fn of(job: &JobRow, owner: String, clock: Clock) -> Self {
        Self {
            job_id: job.id,
            owner,
            clock,
        }
    }

    /// Every transaction of a run begins with this check, so that it commits nothing once another run has taken over.
    pub fn check(&self, tx: &Tx<'_>) -> Result<(), LeaseError> {
        if self.renew(tx)? {
            return Ok(());
        }
        Err(LeaseError::Lost)
    }

    /// Whether this run still holds the lease.
    pub(super) fn renew(&self, tx: &Tx<'_>) -> Result<bool, StoreError> {
        let renewed = tx.execute(
            "UPDATE jobs SET lease_until = ?3 WHERE id = ?1 AND lease_owner = ?2",
            &[
                Value::Integer(self.job_id),
                Value::Text(&self.owner),
                Value::Integer(lease_until(self.clock.machine_milliseconds())),
            ],
        )?;
        Ok(renewed > 0)
    }

    pub(super) fn key(&self) -> [Value<'_>; 2] {
        [Value::Integer(self.job_id), Value::Text(&self.owner)]
    }
}

pub(super) fn lease_until(machine_now: i64) -> i64 {
    machine_now.saturating_add(LEASE_MILLISECONDS)
}
