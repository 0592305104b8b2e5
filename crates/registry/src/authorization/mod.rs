//! Who may enter `/v2/`: authorization tokens, development users and download grants.

mod get_authorization_token;
mod grant;
mod token;

use std::sync::Arc;

use ecru_model::{ErrorCode, Region, Scope, Timestamp};

use crate::state::verified_tokens::Verified;
use crate::{Caller, Context, Endpoint, Error, Service};

pub use get_authorization_token::get_authorization_token;
pub use grant::check_grant;
pub(crate) use grant::grant;

/// The user name of every token.
const TOKEN_USER: &str = "AWS";
const DEV_USER_PREFIX: &str = "test";

/// The credentials of a request.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    None,
    Basic {
        user: &'a str,
        password: &'a str,
    },
    /// Another scheme, or credentials that cannot be read.
    Unusable,
}

/// Admits a request to the registry that its host names, else to the registry of its token. `presented` is
/// the text from which the credentials were read.
pub async fn enter(
    service: &Arc<Service>,
    presented: &[u8],
    credentials: Credentials<'_>,
    host: Option<Scope>,
    endpoint: Endpoint,
) -> Result<Context, Error> {
    match credentials {
        Credentials::Basic { user, .. }
            if service.configuration.dev_users && user.starts_with(DEV_USER_PREFIX) =>
        {
            Ok(dev_user(service, host, endpoint))
        }
        Credentials::Basic {
            user: TOKEN_USER,
            password,
        } => {
            let verified = Arc::new(token::verify(service, password).await?);
            let tokens = &service.verified_tokens;
            tokens.remember(&service.random, presented, Arc::clone(&verified));
            admit_holder(service, &verified, host, endpoint)
        }
        Credentials::None | Credentials::Unusable | Credentials::Basic { .. } => Err(unauthorized()),
    }
}

/// As `enter`, if the token in the text was verified before; else none.
pub fn enter_again(
    service: &Arc<Service>,
    presented: &[u8],
    host: Option<&Scope>,
    endpoint: &Endpoint,
) -> Option<Result<Context, Error>> {
    let verified = service.verified_tokens.find(presented)?;
    let entered = token::check_time(service, verified.expires_at)
        .and_then(|()| admit_holder(service, &verified, host.cloned(), endpoint.clone()));
    Some(entered)
}

fn admit_holder(
    service: &Arc<Service>,
    verified: &Verified,
    host: Option<Scope>,
    endpoint: Endpoint,
) -> Result<Context, Error> {
    let (caller, opened) = (verified.caller.clone(), verified.scope.clone());
    admit(service, caller, opened, host, endpoint)
}

fn admit(
    service: &Arc<Service>,
    caller: Caller,
    opened: Scope,
    host: Option<Scope>,
    endpoint: Endpoint,
) -> Result<Context, Error> {
    let region = opened.region.clone();
    let scope = host.unwrap_or(opened);
    if scope.region != region {
        return Err(unauthorized());
    }
    Ok(Context::new(service, caller, scope, endpoint))
}

/// A development user is in the region that the host names. If the host names none, repositories in other
/// regions of the account are found too.
fn dev_user(service: &Arc<Service>, host: Option<Scope>, endpoint: Endpoint) -> Context {
    let registry_id = service.default_account.clone();
    let any_region = host.is_none();
    let scope = host.unwrap_or_else(|| Scope {
        registry_id: registry_id.clone(),
        region: Region::default(),
    });
    let home = Scope {
        registry_id,
        region: scope.region.clone(),
    };
    let mut ctx = Context::new(service, Caller::root(&home), scope, endpoint);
    ctx.any_region = any_region;
    ctx
}

/// Refuses an expired credential. Also refuses one that would live longer than the longest lifetime: the clock
/// was set back since.
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
