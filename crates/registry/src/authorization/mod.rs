//! Who may enter `/v2/`: authorization tokens, development users and download grants.

mod get_authorization_token;
mod grant;
mod token;

use std::sync::Arc;

use ecru_model::{ErrorCode, Region, Scope, Timestamp};

use crate::{Caller, Context, Endpoint, Error, Service};

pub use get_authorization_token::get_authorization_token;
pub use grant::check_grant;
pub(crate) use grant::grant;

/// The user name that goes with a token.
const TOKEN_USER: &str = "AWS";
const DEV_USER_PREFIX: &str = "test";
const DEV_USER_REGION: &str = "us-east-1";

/// What a request brought to be let in.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    None,
    Basic {
        user: &'a str,
        password: &'a str,
    },
    /// Another scheme, or one that cannot be read.
    Unusable,
}

/// Lets a request in, to the registry that its host names, else to the one its token opens.
pub fn enter(
    service: &Arc<Service>,
    credentials: Credentials<'_>,
    host: Option<Scope>,
    endpoint: Endpoint,
) -> Result<Context, Error> {
    let (caller, opened) = match credentials {
        Credentials::Basic { user, .. }
            if service.configuration.dev_users && user.starts_with(DEV_USER_PREFIX) =>
        {
            dev_user(service)?
        }
        Credentials::Basic {
            user: TOKEN_USER,
            password,
        } => token::verify(service, password)?,
        Credentials::None | Credentials::Unusable | Credentials::Basic { .. } => return Err(unauthorized()),
    };
    let scope = host.unwrap_or_else(|| opened.clone());
    if scope.region != opened.region {
        return Err(unauthorized());
    }
    Ok(Context::new(service, caller, scope, endpoint))
}

fn dev_user(service: &Service) -> Result<(Caller, Scope), Error> {
    let registry_id = service.configuration.default_account.clone();
    let region = Region::parse(DEV_USER_REGION).map_err(|error| Error::server(error.to_string()))?;
    Ok((Caller::root(registry_id.clone()), Scope { registry_id, region }))
}

/// Refuses what has expired, and what would live for longer than anything is issued for: the clock was moved back since.
fn check_expiry(service: &Service, expires_at: Timestamp, lifetime_milliseconds: i64) -> Result<(), Error> {
    let left = expires_at
        .as_millis()
        .saturating_sub(service.clock.now().as_millis());
    if (1..=lifetime_milliseconds).contains(&left) {
        return Ok(());
    }
    Err(expired())
}

fn unauthorized() -> Error {
    Error::new(ErrorCode::UnauthorizedException, "Not Authorized")
}

fn expired() -> Error {
    Error::new(
        ErrorCode::UnauthorizedException,
        "Your authorization token has expired. Reauthenticate and try again.",
    )
}
