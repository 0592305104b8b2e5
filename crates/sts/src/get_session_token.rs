//! `GetSessionToken`: issues temporary credentials for the identity that signed the request.

use ecru_model::SessionDetails;
use ecru_model::identity::Identity;
use ecru_platform::principals::{NewSession, unique_id};

use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{GetSessionTokenInput as Input, GetSessionTokenOutput as Output};
use crate::session::{Token, issue};
use crate::{Context, Error};

const SECONDS_DEFAULT: i32 = 12 * 60 * 60;
/// A root gets no longer session than this: AWS shortens a longer one without an error.
const ROOT_SECONDS_MAX: i32 = 60 * 60;

pub(crate) async fn get_session_token(ctx: &Context, input: Input) -> Result<Output, Error> {
    let caller = ctx.caller()?;
    if caller.session.is_some() {
        return Err(refused(
            ErrorCode::AccessDenied,
            "Cannot call GetSessionToken with session credentials",
        ));
    }
    let seconds = input.duration_seconds.unwrap_or(SECONDS_DEFAULT);
    let identity = Identity::parse(caller.name());
    let is_root = identity.is_some_and(|identity| identity.is_root());
    let seconds = if is_root {
        seconds.min(ROOT_SECONDS_MAX)
    } else {
        seconds
    };

    let new = NewSession {
        caller: caller.clone(),
        user_id: unique_id(caller),
        details: SessionDetails::default(),
        expires_at: ctx.expiration(seconds),
    };
    let Token { credentials, size } = issue(ctx, new, input.minimum_session_token_size).await?;
    Ok(Output {
        credentials: Some(credentials),
        session_token_utilization: None,
        session_token_size: size,
    })
}
