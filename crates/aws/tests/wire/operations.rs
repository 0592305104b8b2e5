//! STS operations with the outputs that the tests need.

use std::future::{Ready, ready};

use ecru_model::Timestamp;

use crate::{
    Context, Error,
    sts::generated::{
        codes,
        shapes::{
            AssumeRoleInput, AssumeRoleOutput, AssumeRoleWithWebIdentityInput,
            AssumeRoleWithWebIdentityOutput, Credentials, GetCallerIdentityInput, GetCallerIdentityOutput,
            GetSessionTokenInput, GetSessionTokenOutput,
        },
    },
};

pub(crate) fn assume_role(ctx: &Context, input: AssumeRoleInput) -> Ready<Result<AssumeRoleOutput, Error>> {
    let credentials = Credentials {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: "a<b>&c".to_owned(),
        session_token: String::new(),
        expiration: Timestamp::from_millis(1_767_225_600_000),
    };
    ctx.asked.lock().unwrap().push(input);
    ready(Ok(AssumeRoleOutput {
        credentials: Some(credentials),
        packed_policy_size: Some(6),
        ..AssumeRoleOutput::default()
    }))
}

pub(crate) fn assume_role_with_web_identity(
    _: &Context,
    _: AssumeRoleWithWebIdentityInput,
) -> Ready<Result<AssumeRoleWithWebIdentityOutput, Error>> {
    ready(Ok(AssumeRoleWithWebIdentityOutput::default()))
}

pub(crate) fn get_caller_identity(
    ctx: &Context,
    _: GetCallerIdentityInput,
) -> Ready<Result<GetCallerIdentityOutput, Error>> {
    ready(Ok(GetCallerIdentityOutput {
        user_id: ctx.sender.as_ref().map(|sender| sender.access_key_id.clone()),
        ..GetCallerIdentityOutput::default()
    }))
}

pub(crate) fn get_session_token(
    _: &Context,
    _: GetSessionTokenInput,
) -> Ready<Result<GetSessionTokenOutput, Error>> {
    ready(Err(Error::new(
        &codes::REGION_DISABLED_EXCEPTION,
        "STS is not <activated> in this region",
    )))
}
