//! `GetCallerIdentity`: returns the identity whose credentials signed the request.

use ecru_platform::principals::unique_id;

use crate::generated::shapes::{ArnType, GetCallerIdentityInput as Input, GetCallerIdentityOutput as Output};
use crate::{Context, Error};

pub(crate) async fn get_caller_identity(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let caller = ctx.caller()?;
    Ok(Output {
        user_id: Some(unique_id(caller)),
        account: Some(caller.registry_id.as_str().to_owned()),
        arn: ArnType::parse(caller.name()).ok(),
    })
}
