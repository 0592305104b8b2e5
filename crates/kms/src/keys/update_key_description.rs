//! `UpdateKeyDescription`: replaces the description of a key.

use crate::generated::shapes::{UpdateKeyDescriptionInput as Input, UpdateKeyDescriptionOutput as Output};
use crate::records::key;
use crate::{Context, Error};

pub(crate) async fn update_key_description(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("UpdateKeyDescription");
    ctx.store
        .write(move |tx| {
            let mut key = request.customer_key(tx, input.key_id.as_str())?;
            key.check_not_pending_deletion()?;
            input.description.as_str().clone_into(&mut key.description);
            key::save(tx, &key)?;
            Ok(Output {})
        })
        .await
}
