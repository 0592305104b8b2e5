//! `CancelKeyDeletion`: keeps a key that waits for its deletion. It stays disabled.

use crate::generated::shapes::{CancelKeyDeletionInput as Input, CancelKeyDeletionOutput as Output};
use crate::records::key;
use crate::{Context, Error};

pub(crate) async fn cancel_key_deletion(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("CancelKeyDeletion");
    ctx.store
        .write(move |tx| {
            let mut key = request.customer_key(tx, input.key_id.as_str())?;
            if key.deletion_at.is_none() {
                return Err(key.in_wrong_state("is not pending deletion."));
            }
            (key.deletion_at, key.enabled) = (None, false);
            key::save(tx, &key)?;
            Ok(Output {
                key_id: Some(key.arn_as_id()?),
            })
        })
        .await
}
