//! The password of `docker login`: signed claims, wrapped in the form of ECR's own tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_platform::mac::Purpose;
use ecru_platform::principals::find_session;
use serde::Deserialize;

use super::{check_expiry, unauthorized};
use crate::state::verified_tokens::Verified;
use crate::{Caller, Error, Service};

pub(super) const LIFETIME_MILLISECONDS: i64 = 12 * 60 * 60 * 1000;
const VERSION: &str = "1";
const TOKEN_BYTES_MAX: usize = 4096;

/// The holder of a token, the registry that it opens, and its expiry.
pub(super) struct Claims<'a> {
    pub(super) caller: &'a Caller,
    pub(super) scope: &'a Scope,
    pub(super) expires_at: Timestamp,
}

pub(super) fn issue(service: &Service, claims: &Claims<'_>) -> String {
    let mut payload = [
        VERSION,
        claims.caller.registry_id.as_str(),
        claims.caller.name(),
        claims.scope.registry_id.as_str(),
        claims.scope.region.as_str(),
        &claims.expires_at.as_millis().to_string(),
    ]
    .join("\n");
    if let Some(session) = &claims.caller.session {
        payload.push('\n');
        payload.push_str(&session.access_key_id);
    }
    let tag = service
        .keys
        .sign(Purpose::AuthorizationToken, &[payload.as_bytes()]);
    wrap(&payload, &tag, claims.expires_at)
}

fn wrap(payload: &str, tag: &[u8], expires_at: Timestamp) -> String {
    STANDARD.encode(format!(
        r#"{{"payload":"{}","datakey":"{}","version":"2","type":"DATA_KEY","expiration":{}}}"#,
        STANDARD.encode(payload),
        STANDARD.encode(tag),
        expires_at.as_millis() / 1000,
    ))
}

#[derive(Deserialize)]
struct Wrapping {
    payload: String,
    datakey: String,
}

/// Returns the content of a token. Only exactly the text that was issued is valid.
pub(super) async fn verify(service: &Service, token: &str) -> Result<Verified, Error> {
    let (payload, tag) = unwrap(token).ok_or_else(unauthorized)?;
    if !service
        .keys
        .verify(Purpose::AuthorizationToken, &[payload.as_bytes()], &tag)
    {
        return Err(unauthorized());
    }
    let (mut verified, access_key_id) = read(&payload).ok_or_else(unauthorized)?;
    if wrap(&payload, &tag, verified.expires_at) != token {
        return Err(unauthorized());
    }
    check_time(service, verified.expires_at)?;
    if let Some(access_key_id) = access_key_id {
        // A reset ends a session with its tokens.
        verified.caller = find_session(service, access_key_id)
            .await?
            .ok_or_else(unauthorized)?;
    }
    Ok(verified)
}

/// Whether a token can be used now; the clock may have been moved since the token was verified.
pub(super) fn check_time(service: &Service, expires_at: Timestamp) -> Result<(), Error> {
    check_expiry(service, expires_at, LIFETIME_MILLISECONDS)
}

fn unwrap(token: &str) -> Option<(String, Vec<u8>)> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let wrapping: Wrapping = serde_json::from_slice(&STANDARD.decode(token).ok()?).ok()?;
    let payload = String::from_utf8(STANDARD.decode(wrapping.payload).ok()?).ok()?;
    Some((payload, STANDARD.decode(wrapping.datakey).ok()?))
}

/// The claims of a token, and the access key of the session that asked for it.
fn read(payload: &str) -> Option<(Verified, Option<&str>)> {
    let mut parts = payload.split('\n');
    if parts.next()? != VERSION {
        return None;
    }
    let registry_id = RegistryId::parse(parts.next()?).ok()?;
    let caller = Caller::identity(registry_id, parts.next()?.to_owned());
    let scope = Scope {
        registry_id: RegistryId::parse(parts.next()?).ok()?,
        region: Region::parse(parts.next()?).ok()?,
    };
    let expires_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    let verified = Verified {
        caller,
        scope,
        expires_at,
    };
    Some((verified, parts.next()))
}
