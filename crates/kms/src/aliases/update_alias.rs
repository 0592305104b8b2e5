//! `UpdateAlias`: moves an alias to another key of the same kind and use.

use ecru_store::Value;

use super::{check_name, place};
use crate::error::invalid;
use crate::generated::shapes::{UpdateAliasInput as Input, UpdateAliasOutput as Output};
use crate::records::key;
use crate::records::key_name::find_target;
use crate::records::request::alias_not_found;
use crate::{Context, Error};

pub(crate) async fn update_alias(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("UpdateAlias");
    check_name(&input.alias_name)?;
    ctx.store
        .write(move |tx| {
            let key = request.customer_key(tx, input.target_key_id.as_str())?;
            key.check_not_pending_deletion()?;
            let name = input.alias_name.as_str();
            let present = find_target(tx, &request.scope, name)?;
            let present = present.ok_or_else(|| alias_not_found(&request.scope, name))?;
            let present = key::find(tx, &request.scope, &present, request.now)?;
            if present.is_some_and(|present| {
                (present.is_symmetric(), present.usage) != (key.is_symmetric(), key.usage)
            }) {
                return Err(invalid(
                    "The new key of an alias must be of the same kind and have the same key usage as its current key",
                ));
            }
            let [account, region, name] = place(&request.scope, &input.alias_name);
            tx.execute(
                "UPDATE kms_aliases SET key_id = ?4, updated_at = ?5
                 WHERE account = ?1 AND region = ?2 AND name = ?3",
                &[
                    account,
                    region,
                    name,
                    Value::from(&key.id),
                    Value::Integer(request.now.as_millis()),
                ],
            )?;
            Ok(Output {})
        })
        .await
}
