//! One run of one job, from its lease to its result.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};

use super::finish::finish;
use super::lease::{Lease, RENEWAL};
use super::{JobRow, Place, Ran, Runner};
use crate::ServiceError;

/// Runs a job in one of the places, and returns its result.
pub(super) async fn run(
    runner: &Arc<Runner>,
    (job, lease): (JobRow, Lease),
    place: Place,
) -> Result<Ran, ServiceError> {
    let platform = &runner.platform;

    // A panic ends this run only.
    let mut running = tokio::task::JoinSet::new();
    let (own, about, held) = (Arc::clone(runner), job.clone(), lease.clone());
    running.spawn(async move {
        match own.kind(&about.kind) {
            Some(kind) => (kind.run)(about.job, held).await,
            None => Err(ServiceError::internal(format!(
                "this version has no background work of the kind `{}`",
                about.kind
            ))),
        }
    });

    let mut renewal = interval(RENEWAL);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewal.tick().await;
    let result = loop {
        tokio::select! {
            ended = running.join_next() => break match ended {
                Some(Ok(result)) => result,
                Some(Err(panic)) => Err(ServiceError::internal("background work panicked").caused_by(panic)),
                None => Err(ServiceError::internal("background work did not begin")),
            },
            _ = renewal.tick() => {
                let renewed = lease.clone();
                // Without its lease the run fails at its next commit.
                let _ = platform.store.write(move |tx| renewed.renew(tx)).await;
            }
        }
    };

    let ran = finish(platform, &job, lease, result).await;
    if let Ok(ran) = &ran {
        // There may be no listener.
        let _ = runner.runs.ended.send(ran.clone());
    }
    drop(place);
    runner.runs.vacated.notify_one();
    Ok(ran?)
}
