//! A kind of background work.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::json;

use super::runs::RUNNING_MAX;
use super::{Job, Lease, Outcome, Subject};
use crate::ServiceError;

/// Work that is done in the background, with subjects of one type.
pub trait Work: 'static {
    /// The service that does the work.
    type Service: Send + Sync + 'static;
    type Error: Into<ServiceError>;
    type Subject: Subject;
    /// Rows name the kind by this text, so it must never change.
    const NAME: &'static str;
    /// The number of runs at the same time. One place always stays free for other kinds, so that work which a
    /// client can slow down does not stop the rest.
    const RUNNING_MAX: usize = RUNNING_MAX - 1;
    /// Whether the work belongs to no account and is scheduled at each start.
    const IS_STANDING: bool = false;

    /// Running a job twice must do no harm: an interrupted run starts again from the beginning.
    fn run(
        service: &Arc<Self::Service>,
        job: Job<Self::Subject>,
        lease: &Lease,
    ) -> impl Future<Output = Result<Outcome, Self::Error>> + Send;
}

type Running = Pin<Box<dyn Future<Output = Result<Outcome, ServiceError>> + Send>>;

/// A kind of work of one service.
pub struct Kind {
    pub name: &'static str,
    pub(super) is_standing: bool,
    pub(super) running_max: usize,
    pub(super) run: Box<dyn Fn(Job<String>, Lease) -> Running + Send + Sync>,
}

impl Kind {
    pub fn of<W: Work>(service: &Arc<W::Service>) -> Self {
        let service = Arc::clone(service);
        Self {
            name: W::NAME,
            is_standing: W::IS_STANDING,
            running_max: W::RUNNING_MAX,
            run: Box::new(move |job, lease| {
                let service = Arc::clone(&service);
                Box::pin(async move { run::<W>(&service, job, &lease).await })
            }),
        }
    }
}

async fn run<W: Work>(
    service: &Arc<W::Service>,
    job: Job<String>,
    lease: &Lease,
) -> Result<Outcome, ServiceError> {
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
    W::run(service, job, lease).await.map_err(Into::into)
}
