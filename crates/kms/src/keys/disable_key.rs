//! `DisableKey`: refuses the use of a key until it is enabled.

use crate::generated::shapes::{DisableKeyInput as Input, DisableKeyOutput as Output};
use crate::records::key;
use crate::{Context, Error};

pub(crate) async fn disable_key(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("DisableKey");
    ctx.store
        .write(move |tx| {
            let mut key = request.customer_key(tx, input.key_id.as_str())?;
            key.check_not_pending_deletion()?;
            key.enabled = false;
            key::save(tx, &key)?;
            Ok(Output {})
        })
        .await
}
