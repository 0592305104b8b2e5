//! `PutKeyPolicy`: replaces the policy of a key.

use super::NAME;
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{PutKeyPolicyInput as Input, PutKeyPolicyOutput as Output};
use crate::{Context, Error};

pub(crate) async fn put_key_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("PutKeyPolicy");
    let policy = super::accept(&input.policy)?;
    ctx.store
        .write(move |tx| {
            let key = request.customer_key(tx, input.key_id.as_str())?;
            if input
                .policy_name
                .as_ref()
                .is_some_and(|name| name.as_str() != NAME)
            {
                return Err(refused(ErrorCode::NotFoundException, "No such policy exists"));
            }
            super::save(tx, &key, &policy)?;
            Ok(Output {})
        })
        .await
}
