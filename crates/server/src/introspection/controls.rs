//! The controls of tests and operators: the clock, the principals of access keys, and work to run now.

use ecru_model::Timestamp;
use ecru_platform::clock::SetClock;
use ecru_platform::jobs::{Ended, Ran};
use ecru_platform::principals::{bind_principal, release_principal};
use ecru_registry::work::run_due;
use http::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Asked, Problem, duration, findings, secrets, time, verification, with};
use crate::{own_api::not_allowed, reply::Content};

/// Whether the body of a request contains the value to set. No other body is read.
pub(super) fn takes_body(method: &Method, path: &str) -> bool {
    method == Method::PUT
        && matches!(
            path,
            "clock" | "principals" | "findings" | "verification" | "secrets"
        )
}

/// `None` for a path that is not a control, and for the lists at some of the paths.
pub(super) async fn control(
    asked: &Asked<'_>,
    method: &Method,
    path: &str,
) -> Option<Result<Answered, Response<Content>>> {
    let answered = match (path, method) {
        ("clock", &Method::GET | &Method::HEAD) => Ok(clock(asked)),
        ("clock", &Method::PUT) => put_clock(asked).await,
        ("clock", &Method::DELETE) => delete_clock(asked).await,
        ("run-due", &Method::POST) => post_run_due(asked).await,
        ("run-due", _) => return Some(Err(not_allowed("POST"))),
        ("principals", &Method::PUT) => put_principal(asked).await,
        ("principals", &Method::DELETE) => delete_principal(asked).await,
        ("principals", &Method::GET | &Method::HEAD) => return None,
        ("findings", &Method::PUT) => findings::put(asked).await,
        ("findings", &Method::DELETE) => findings::delete(asked).await,
        ("findings", _) => return Some(Err(not_allowed("PUT, DELETE"))),
        ("verification", &Method::GET | &Method::HEAD) => verification::get(asked).await,
        ("verification", &Method::PUT) => verification::put(asked).await,
        ("verification", &Method::DELETE) => verification::delete(asked).await,
        ("secrets", &Method::GET | &Method::HEAD) => secrets::list(asked).await,
        ("secrets", &Method::PUT) => secrets::put(asked).await,
        ("secrets", &Method::DELETE) => secrets::delete(asked).await,
        ("clock" | "principals" | "secrets" | "verification", _) => {
            return Some(Err(not_allowed("GET, HEAD, PUT, DELETE")));
        }
        _ => return None,
    };
    Some(Ok(answered))
}

fn clock(asked: &Asked<'_>) -> Value {
    let clock = &asked.service.clock;
    let shown = json!({
        "now": time(clock.now()),
        "machine": time(Timestamp::from_millis(clock.machine_milliseconds())),
        "aheadMilliseconds": clock.ahead_milliseconds(),
    });
    match clock.frozen_at() {
        Some(at) => with(shown, "frozen", time(at)),
        None => shown,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    frozen: Option<String>,
    advance: Option<Advance>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Advance {
    Seconds(f64),
    Text(String),
}

async fn put_clock(asked: &Asked<'_>) -> Answered {
    const SHAPE: Problem = Problem::BadRequest(
        "the body is {\"frozen\": \"<RFC 3339>\"}, {\"advance\": \"<ISO 8601 duration>\" or seconds} or both",
    );
    const FROZEN: Problem = Problem::BadRequest("`frozen` is a time such as `2026-01-01T00:00:00Z`");
    const ADVANCE: Problem =
        Problem::BadRequest("`advance` is a duration such as `P1DT12H`, or a number of seconds");
    const BEYOND: Problem = Problem::BadRequest("the clock stays in the years 1970 to 9999");

    let change = asked.read_body::<ClockChange>().ok_or(SHAPE)?;
    if change.frozen.is_none() && change.advance.is_none() {
        return Err(SHAPE);
    }
    let frozen_at = change
        .frozen
        .map(|text| text.parse::<jiff::Timestamp>())
        .transpose();
    let frozen_at = frozen_at.map_err(|_| FROZEN)?;
    let advance_milliseconds = match change.advance {
        None => 0,
        Some(Advance::Seconds(seconds)) => duration::of_seconds(seconds).ok_or(ADVANCE)?,
        Some(Advance::Text(text)) => duration::parse(&text).ok_or(ADVANCE)?,
    };
    let change = SetClock {
        frozen_at: frozen_at.map(|at| Timestamp::from_millis(at.as_millisecond())),
        advance_milliseconds,
    };
    if !asked.service.set_clock(change).await? {
        return Err(BEYOND);
    }
    Ok(clock(asked))
}

async fn delete_clock(asked: &Asked<'_>) -> Answered {
    asked.service.reset_clock().await?;
    Ok(clock(asked))
}

async fn post_run_due(asked: &Asked<'_>) -> Answered {
    let ran = run_due(asked.service, &asked.services.runner).await?;
    Ok(json!({ "ran": ran.iter().map(one_run).collect::<Vec<_>>() }))
}

fn one_run(ran: &Ran) -> Value {
    let shown = json!({
        "kind": ran.kind,
        "registryId": ran.scope.registry_id.as_str(),
        "region": ran.scope.region.as_str(),
        "subject": ran.subject,
    });
    match &ran.ended {
        Ended::Done(summary) => with(with(shown, "ended", "done"), "did", summary.clone()),
        Ended::Again(at) => with(with(shown, "ended", "again"), "due", time(*at)),
        Ended::Failed(problem) => with(with(shown, "ended", "failed"), "message", problem.as_str()),
        Ended::Superseded => with(shown, "ended", "superseded"),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Binding {
    access_key_id: String,
    arn: String,
}

async fn put_principal(asked: &Asked<'_>) -> Answered {
    const SHAPE: Problem = Problem::BadRequest("the body is {\"accessKeyId\": …, \"arn\": …}");
    let binding = asked.read_body::<Binding>().ok_or(SHAPE)?;
    let shown = json!({ "accessKeyId": binding.access_key_id, "arn": binding.arn });
    bind_principal(asked.service, binding.access_key_id, binding.arn).await?;
    Ok(shown)
}

async fn delete_principal(asked: &Asked<'_>) -> Answered {
    const NAMED: Problem = Problem::BadRequest("`?accessKeyId=` must name the access key to unbind");
    const UNKNOWN: Problem = Problem::NotFound("no principal is bound to this access key");
    let access_key_id = asked.query.get("accessKeyId").ok_or(NAMED)?;
    if !release_principal(asked.service, access_key_id.to_owned()).await? {
        return Err(UNKNOWN);
    }
    Ok(json!({ "accessKeyId": access_key_id }))
}
