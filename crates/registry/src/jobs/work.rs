//! A kind of work, and the table of all kinds.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::json;

use super::{Job, Lease, Outcome, Subject};
use crate::state::runs::RUNNING_MAX;
use crate::{Error, Service};

/// Work that is done in the background, with subjects of one type.
pub(crate) trait Work {
    /// Rows name the kind by this text, so it must never change.
    const NAME: &'static str;
    /// The number of runs at the same time. One place always stays free for other kinds, so that work which a
    /// client can slow down does not stop the rest.
    const RUNNING_MAX: usize = RUNNING_MAX - 1;
    type Subject: Subject;

    /// Running a job twice must do no harm: an interrupted run starts again from the beginning.
    fn run(
        service: &Arc<Service>,
        job: Job<Self::Subject>,
        lease: &Lease,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send;
}

type Running = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>;

/// A line of the table of kinds.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(super) running_max: usize,
    pub(super) run: fn(Arc<Service>, Job<String>, Lease) -> Running,
}

impl Kind {
    pub(crate) const fn of<W: Work>() -> Self {
        Self {
            name: W::NAME,
            running_max: W::RUNNING_MAX,
            run: |service, job, lease| Box::pin(async move { run::<W>(&service, job, &lease).await }),
        }
    }
}

async fn run<W: Work>(service: &Arc<Service>, job: Job<String>, lease: &Lease) -> Result<Outcome, Error> {
    let Some(subject) = W::Subject::parse(&job.scope, &job.subject) else {
        tracing::warn!(
            kind = W::NAME,
            subject = job.subject,
            "a job has an invalid subject and is removed"
        );
        return Ok(Outcome::Done(json!({})));
    };
    let job = Job {
        scope: job.scope,
        subject,
        attempts: job.attempts,
    };
    W::run(service, job, lease).await
}
