//! `DisableKeyRotation`: a key keeps its material.

use super::check_rotatable;
use crate::generated::shapes::{DisableKeyRotationInput as Input, DisableKeyRotationOutput as Output};
use crate::records::key;
use crate::{Context, Error};

pub(crate) async fn disable_key_rotation(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("DisableKeyRotation");
    ctx.store
        .write(move |tx| {
            let mut key = request.customer_key(tx, input.key_id.as_str())?;
            check_rotatable(&key)?;
            key.rotation = None;
            key::save(tx, &key)?;
            Ok(Output {})
        })
        .await
}
