//! `TagResource`: adds tags to a key, or replaces their values.

use crate::generated::shapes::{TagResourceInput as Input, TagResourceOutput as Output};
use crate::{Context, Error};

pub(crate) async fn tag_resource(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("TagResource");
    let tags = super::accept(input.tags)?;
    ctx.store
        .write(move |tx| {
            let key = request.customer_key(tx, input.key_id.as_str())?;
            key.check_not_pending_deletion()?;
            super::save(tx, &key, &tags)?;
            Ok(Output {})
        })
        .await
}
