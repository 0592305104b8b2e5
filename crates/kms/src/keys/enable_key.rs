//! `EnableKey`: allows the use of a key.

use ecru_platform::jobs;

use crate::generated::shapes::{EnableKeyInput as Input, EnableKeyOutput as Output};
use crate::records::key::{self, KEY_ROTATION};
use crate::{Context, Error};

pub(crate) async fn enable_key(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("EnableKey");
    ctx.store
        .write(move |tx| {
            let mut key = request.customer_key(tx, input.key_id.as_str())?;
            key.check_not_pending_deletion()?;
            key.enabled = true;
            key::save(tx, &key)?;
            // A rotation that was due while the key was disabled is done now.
            if let Some(rotation) = key.rotation {
                jobs::schedule_named(tx, KEY_ROTATION, &key.scope, &key.id, rotation.next_at)?;
            }
            Ok(Output {})
        })
        .await
}
