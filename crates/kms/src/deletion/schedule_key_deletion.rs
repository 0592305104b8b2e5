//! `ScheduleKeyDeletion`: the key cannot be used from now on, and its material is erased after some days.

use ecru_platform::jobs;

use super::KeyDeletion;
use crate::error::violated;
use crate::generated::shapes::{ScheduleKeyDeletionInput as Input, ScheduleKeyDeletionOutput as Output};
use crate::records::key::{self, days_after};
use crate::{Context, Error};

const DAYS_MIN: i32 = 7;
const DAYS_MAX: i32 = 30;

pub(crate) async fn schedule_key_deletion(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("ScheduleKeyDeletion");
    let days = accept_days(input.pending_window_in_days.unwrap_or(DAYS_MAX))?;
    ctx.store
        .write(move |tx| {
            let mut key = request.customer_key(tx, input.key_id.as_str())?;
            key.check_not_pending_deletion()?;
            let deletion_at = days_after(request.now, i64::from(days));
            key.deletion_at = Some(deletion_at);
            key::save(tx, &key)?;
            jobs::schedule::<KeyDeletion>(tx, &key.scope, &key.id, deletion_at)?;
            Ok(Output {
                key_id: Some(key.arn_as_id()?),
                deletion_date: Some(deletion_at),
                key_state: Some(key.state()),
                pending_window_in_days: Some(days),
            })
        })
        .await
}

fn accept_days(days: i32) -> Result<i32, Error> {
    let refuse = |bound: &str, limit| {
        let constraint = format!("Member must have value {bound} than or equal to {limit}");
        Err(violated(days, "pendingWindowInDays", &constraint))
    };
    match days {
        ..DAYS_MIN => refuse("greater", DAYS_MIN),
        DAYS_MIN..=DAYS_MAX => Ok(days),
        _ => refuse("less", DAYS_MAX),
    }
}
