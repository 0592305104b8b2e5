//! `GetKeyPolicy`: the policy of a key, as it was put.

use ecru_store::stored;

use super::{NAME, default_policy, managed_policy};
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{
    GetKeyPolicyInput as Input, GetKeyPolicyOutput as Output, PolicyNameType, PolicyType,
};
use crate::records::key::place;
use crate::{Context, Error};

pub(crate) async fn get_key_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("GetKeyPolicy");
    let read = ctx.store.read(|at| {
        let key = request.key_by_id(at, input.key_id.as_str())?;
        if input.policy_name.is_some_and(|name| name.as_str() != NAME) {
            return Err(refused(ErrorCode::NotFoundException, "No such policy exists"));
        }
        let put = at.find(
            "SELECT policy FROM kms_policies WHERE account = ?1 AND region = ?2 AND key_id = ?3",
            &place(&key.scope, &key.id),
            |row| Ok(row.text(0)?.to_owned()),
        )?;
        let policy = match put {
            Some(policy) => policy,
            None if key.managed => managed_policy(&key.scope),
            None => default_policy(&key.scope),
        };
        Ok(Output {
            policy: Some(stored(PolicyType::parse(policy))?),
            policy_name: Some(stored(PolicyNameType::parse(NAME))?),
        })
    });
    read.await
}
