//! `/_ecru/clock`: the time that users see.

use ecru_model::Timestamp;
use ecru_platform::Clock;
use ecru_platform::clock::SetClock;
use serde::{Deserialize, Serialize};

use super::duration;
use crate::body::{Body, NoBody};
use crate::call::Call;
use crate::problem::Problem;
use crate::query::NoQuery;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "clock",
    "The time that users see.",
    [
        route!(
            Get,
            "/_ecru/clock",
            "getClock",
            "Returns the time that users see",
            get
        ),
        route!(
            Put,
            "/_ecru/clock",
            "putClock",
            "Freezes the clock, advances it, or both",
            put
        ),
        route!(
            Delete,
            "/_ecru/clock",
            "deleteClock",
            "Returns the clock to the time of the machine",
            delete
        ),
    ]
);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Clock"))]
struct Shown {
    now: Text<Timestamp>,
    machine: Text<Timestamp>,
    ahead_milliseconds: i64,
    /// The time at which the clock was frozen. Absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<Text<Timestamp>>,
}

/// At least one of both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ClockChange {
    /// The clock stops at this time.
    frozen: Option<Text<Timestamp>>,
    advance: Option<Advance>,
}

/// A number of seconds, or an ISO 8601 duration with days of 24 hours such as `P1DT12H`.
#[derive(Deserialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum Advance {
    Seconds(f64),
    Text(String),
}

impl Body for ClockChange {
    const SHAPE: &'static str =
        "the body is {\"frozen\": \"<RFC 3339>\"}, {\"advance\": \"<ISO 8601 duration>\" or seconds} or both";
}

async fn get(call: Call<'_>, _: NoQuery, _: NoBody) -> Result<Shown, Problem> {
    Ok(shown(&call.control.platform.clock))
}

async fn put(call: Call<'_>, _: NoQuery, change: ClockChange) -> Result<Shown, Problem> {
    const ADVANCE: Problem =
        Problem::constant("`advance` is a duration such as `P1DT12H`, or a number of seconds");
    const BEYOND: Problem = Problem::constant("the clock stays in the years 1970 to 9999");

    if change.frozen.is_none() && change.advance.is_none() {
        return Err(Problem::constant(ClockChange::SHAPE));
    }
    let advance_milliseconds = match change.advance {
        None => 0,
        Some(Advance::Seconds(seconds)) => duration::of_seconds(seconds).ok_or(ADVANCE)?,
        Some(Advance::Text(text)) => duration::parse(&text).ok_or(ADVANCE)?,
    };
    let change = SetClock {
        frozen_at: change.frozen.map(|Text(at)| at),
        advance_milliseconds,
    };
    if !call.control.platform.set_clock(change).await? {
        return Err(BEYOND);
    }
    Ok(shown(&call.control.platform.clock))
}

async fn delete(call: Call<'_>, _: NoQuery, _: NoBody) -> Result<Shown, Problem> {
    call.control.platform.reset_clock().await?;
    Ok(shown(&call.control.platform.clock))
}

fn shown(clock: &Clock) -> Shown {
    Shown {
        now: Text(clock.now()),
        machine: Text(Timestamp::from_millis(clock.machine_milliseconds())),
        ahead_milliseconds: clock.ahead_milliseconds(),
        frozen: clock.frozen_at().map(Text),
    }
}
