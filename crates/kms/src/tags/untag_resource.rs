//! `UntagResource`: removes tags from a key.

use ecru_store::Value;

use crate::generated::shapes::{UntagResourceInput as Input, UntagResourceOutput as Output};
use crate::records::key::place;
use crate::{Context, Error};

pub(crate) async fn untag_resource(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("UntagResource");
    ctx.store
        .write(move |tx| {
            let key = request.customer_key(tx, input.key_id.as_str())?;
            key.check_not_pending_deletion()?;
            let [account, region, id] = place(&key.scope, &key.id);
            for name in &input.tag_keys {
                super::check_name(name.as_str())?;
                tx.execute(
                    "DELETE FROM kms_tags WHERE account = ?1 AND region = ?2 AND key_id = ?3 AND name = ?4",
                    &[account, region, id, Value::Text(name.as_str())],
                )?;
            }
            Ok(Output {})
        })
        .await
}
