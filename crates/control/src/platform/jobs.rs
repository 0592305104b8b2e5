//! `/_ecru/jobs` and `/_ecru/run-due`: background work.

use ecru_model::{Region, RegistryId, Timestamp};
use ecru_platform::jobs::{Ended, Ran, WaitingJob, list_jobs};
use ecru_registry::work::run_due;
use serde::Serialize;
use serde_json::Value;

use crate::body::NoBody;
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::query::NoQuery;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "jobs",
    "Background work.",
    [
        route!(
            Get,
            "/_ecru/jobs",
            "listJobs",
            "Lists waiting and running background jobs: kind, registry, subject, due time, last failure",
            list
        ),
        route!(
            Post,
            "/_ecru/run-due",
            "runDue",
            "Runs the jobs that are due by the clock, and returns their results",
            run
        ),
    ]
);

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Jobs {
    jobs: Vec<Job>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Job {
    kind: String,
    registry_id: Text<RegistryId>,
    region: Text<Region>,
    /// What the job is about, in words of its kind.
    subject: String,
    running: bool,
    attempts: i64,
    /// Absent for work that is due independently of the clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Runs {
    ran: Vec<Run>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Run {
    kind: String,
    registry_id: Text<RegistryId>,
    region: Text<Region>,
    subject: String,
    #[serde(flatten)]
    ended: End,
}

#[derive(Serialize)]
#[serde(tag = "ended", rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum End {
    /// With a summary in words of the kind.
    Done { did: Value },
    /// More work is due at this time.
    Again { due: Text<Timestamp> },
    /// Retried after a pause, and by every `run-due`.
    Failed { message: String },
    /// Another run took the job over.
    Superseded,
}

async fn list(call: Call<'_>, paging: Paging, _: NoBody) -> Result<Jobs, Problem> {
    let found = list_jobs(&call.control.platform.store, paging.extent()?).await?;
    let (jobs, next) = shown(found, Job::from);
    Ok(Jobs { jobs, next })
}

async fn run(call: Call<'_>, _: NoQuery, _: NoBody) -> Result<Runs, Problem> {
    let ran = run_due(&call.control.ecr, &call.control.runner).await?;
    Ok(Runs {
        ran: ran.into_iter().map(Run::from).collect(),
    })
}

impl From<WaitingJob> for Job {
    fn from(job: WaitingJob) -> Self {
        Self {
            kind: job.kind,
            registry_id: Text(job.scope.registry_id),
            region: Text(job.scope.region),
            subject: job.subject,
            running: job.running,
            attempts: job.attempts,
            due: job.due.map(Text),
            last_error: job.last_error,
        }
    }
}

impl From<Ran> for Run {
    fn from(ran: Ran) -> Self {
        Self {
            kind: ran.kind,
            registry_id: Text(ran.scope.registry_id),
            region: Text(ran.scope.region),
            subject: ran.subject,
            ended: match ran.ended {
                Ended::Done(did) => End::Done { did },
                Ended::Again(due) => End::Again { due: Text(due) },
                Ended::Failed(message) => End::Failed { message },
                Ended::Superseded => End::Superseded,
            },
        }
    }
}
