//! `EnableKeyRotation`: gives a key new material at an interval of days, by the clock that users see.

use ecru_platform::jobs;

use super::{DAYS_DEFAULT, KeyRotation, check_rotatable};
use crate::generated::shapes::{EnableKeyRotationInput as Input, EnableKeyRotationOutput as Output};
use crate::records::key::{self, Rotation, days_after};
use crate::{Context, Error};

pub(crate) async fn enable_key_rotation(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("EnableKeyRotation");
    ctx.store
        .write(move |tx| {
            let mut key = request.customer_key(tx, input.key_id.as_str())?;
            check_rotatable(&key)?;
            let days = input.rotation_period_in_days;
            // Without a period the present one stays.
            let days = match key.rotation {
                Some(_) if days.is_none() => return Ok(Output {}),
                _ => i64::from(days.unwrap_or(DAYS_DEFAULT)),
            };
            let next_at = days_after(request.now, days);
            key.rotation = Some(Rotation { days, next_at });
            key::save(tx, &key)?;
            jobs::schedule::<KeyRotation>(tx, &key.scope, &key.id, next_at)?;
            Ok(Output {})
        })
        .await
}
