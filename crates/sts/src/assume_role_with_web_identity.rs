//! `AssumeRoleWithWebIdentity`: issues temporary credentials of a role to the holder of a token of an identity provider.

use ecru_platform::principals::NewSession;

use crate::assume_role::packed;
use crate::generated::shapes::{
    AssumeRoleWithWebIdentityInput as Input, AssumeRoleWithWebIdentityOutput as Output,
    SessionPolicyDocumentType,
};
use crate::role::AssumedRole;
use crate::session::{Token, issue};
use crate::web_identity_token::Claims;
use crate::{Context, Error, session_policy};

const SECONDS_DEFAULT: i32 = 60 * 60;

pub(crate) async fn assume_role_with_web_identity(ctx: &Context, input: Input) -> Result<Output, Error> {
    let role = AssumedRole::new(&input.role_arn, input.role_session_name.as_str())?;
    let claims = Claims::read(input.web_identity_token.as_str(), ctx.clock.now())?;
    let policy = input.policy.as_ref().map(SessionPolicyDocumentType::as_str);
    let details = session_policy::accept(policy, input.policy_arns)?;
    let packed_policy_size = packed(&details)?;

    let assumed_role_user = role.user();
    let new = NewSession {
        caller: role.caller,
        user_id: role.user_id,
        details,
        expires_at: ctx.expiration(input.duration_seconds.unwrap_or(SECONDS_DEFAULT)),
    };
    let Token { credentials, size } = issue(ctx, new, input.minimum_session_token_size).await?;
    Ok(Output {
        credentials: Some(credentials),
        audience: Some(claims.audience().to_owned()),
        subject_from_web_identity_token: Some(claims.subject),
        assumed_role_user,
        packed_policy_size,
        provider: Some(claims.issuer),
        source_identity: None,
        session_token_utilization: None,
        session_token_size: size,
        trusted_identity_propagation_context: None,
    })
}
