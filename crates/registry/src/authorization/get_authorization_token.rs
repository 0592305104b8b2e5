//! `GetAuthorizationToken`: returns a password for `docker login` for each named registry, else for the caller's own registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{
    AuthorizationData, GetAuthorizationTokenInput as Input, GetAuthorizationTokenOutput as Output, Scope,
    Timestamp,
};

use super::TOKEN_USER;
use super::token::{self, Claims, LIFETIME_MILLISECONDS};
use crate::{Context, Error};

pub async fn get_authorization_token(ctx: &Context, input: Input) -> Result<Output, Error> {
    let registry_ids = input
        .registry_ids
        .unwrap_or_else(|| vec![ctx.caller.registry_id.clone()]);
    let expires_at = Timestamp::from_millis(ctx.clock.now().as_millis() + LIFETIME_MILLISECONDS);

    let authorization_data = registry_ids
        .into_iter()
        .map(|registry_id| {
            let scope = Scope {
                registry_id,
                region: ctx.scope.region.clone(),
            };
            let claims = Claims {
                caller: &ctx.caller,
                scope: &scope,
                expires_at,
            };
            let password = token::issue(ctx, &claims);
            AuthorizationData {
                authorization_token: Some(STANDARD.encode(format!("{TOKEN_USER}:{password}"))),
                expires_at: Some(expires_at),
                proxy_endpoint: Some(ctx.proxy_endpoint(&scope)),
            }
        })
        .collect();

    Ok(Output {
        authorization_data: Some(authorization_data),
    })
}
