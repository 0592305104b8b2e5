//! `DeleteAlias`: removes the name and leaves the key.

use super::{check_name, place};
use crate::generated::shapes::{DeleteAliasInput as Input, DeleteAliasOutput as Output};
use crate::records::request::alias_not_found;
use crate::{Context, Error};

pub(crate) async fn delete_alias(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("DeleteAlias");
    check_name(&input.alias_name)?;
    ctx.store
        .write(move |tx| {
            let removed = tx.execute(
                "DELETE FROM kms_aliases WHERE account = ?1 AND region = ?2 AND name = ?3",
                &place(&request.scope, &input.alias_name),
            )?;
            if removed == 0 {
                return Err(alias_not_found(&request.scope, input.alias_name.as_str()));
            }
            Ok(Output {})
        })
        .await
}
