//! `RevokeGrant`: removes a grant of a key.

use super::{not_found, remove};
use crate::error::end_dry_run;
use crate::generated::shapes::{RevokeGrantInput as Input, RevokeGrantOutput as Output};
use crate::{Context, Error};

pub(crate) async fn revoke_grant(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("RevokeGrant");
    ctx.store
        .write(move |tx| {
            let key = request.customer_key(tx, input.key_id.as_str())?;
            if !remove(tx, &key, input.grant_id.as_str())? {
                return Err(not_found(input.grant_id.as_str()));
            }
            // An error takes the removal back.
            end_dry_run(input.dry_run)?;
            Ok(Output {})
        })
        .await
}
