//! One run of one job, from its lease to its result.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};

use super::finish::finish;
use super::lease::{Lease, RENEWAL};
use super::{JobRow, Kind, Place, Ran};
use crate::{Error, Service};

/// Runs a job in one of the places, and returns its result.
pub(super) async fn run(
    service: &Arc<Service>,
    kinds: &'static [Kind],
    (job, lease): (JobRow, Lease),
    place: Place,
) -> Result<Ran, Error> {
    let kind = kinds.iter().find(|kind| kind.name == job.kind);

    // A panic ends this run only.
    let mut running = tokio::task::JoinSet::new();
    let (own, about, held) = (Arc::clone(service), job.clone(), lease.clone());
    running.spawn(async move {
        match kind {
            Some(kind) => (kind.run)(own, about.job, held).await,
            None => Err(Error::server(format!(
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
                Some(Err(panic)) => Err(Error::server("background work panicked").caused_by(panic)),
                None => Err(Error::server("background work did not begin")),
            },
            _ = renewal.tick() => {
                let renewed = lease.clone();
                // Without its lease the run fails at its next commit.
                let _ = service.store.write(move |tx| renewed.renew(tx)).await;
            }
        }
    };

    let ran = finish(service, &job, lease, result).await;
    if let Ok(ran) = &ran {
        // There may be no listener.
        let _ = service.runs.ended.send(ran.clone());
    }
    drop(place);
    service.runs.vacated.notify_one();
    ran
}
