//! `GetKeyRotationStatus`: whether a key gets new material, and when.

use crate::generated::shapes::{GetKeyRotationStatusInput as Input, GetKeyRotationStatusOutput as Output};
use crate::{Context, Error};

pub(crate) async fn get_key_rotation_status(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("GetKeyRotationStatus");
    let key = ctx
        .store
        .read(|at| request.key_by_id(at, input.key_id.as_str()))
        .await?;
    let rotation = key.rotation.filter(|_| key.deletion_at.is_none());
    Ok(Output {
        // AWS rotates the keys that it manages every year, and shows no dates.
        key_rotation_enabled: Some(key.managed || rotation.is_some()),
        key_id: Some(key.arn_as_id()?),
        rotation_period_in_days: rotation.and_then(|rotation| i32::try_from(rotation.days).ok()),
        next_rotation_date: rotation.map(|rotation| rotation.next_at),
        on_demand_rotation_start_date: None,
    })
}
