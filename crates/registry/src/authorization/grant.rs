//! Download grants: signed permission to read one blob of one repository for an hour, as a part of its address.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecru_model::{Digest, Region, RegistryId, RepositoryName, Scope, Timestamp};
use ecru_platform::mac::{Purpose, TAG_BYTES};

use super::{check_expiry, unauthorized};
use crate::{Caller, Context, Endpoint, Error, Service};

const LIFETIME_MILLISECONDS: i64 = 60 * 60 * 1000;
const GRANT_CHARACTERS_MAX: usize = 256;

pub(crate) fn grant(
    service: &Service,
    scope: &Scope,
    repository: &RepositoryName,
    digest: &Digest,
) -> String {
    let expires_at = service.clock.now().as_millis() + LIFETIME_MILLISECONDS;
    let mut bytes = expires_at.to_be_bytes().to_vec();
    bytes.extend_from_slice(&sign(service, scope, repository, digest, expires_at));
    bytes.extend_from_slice(scope.registry_id.as_str().as_bytes());
    bytes.push(b'/');
    bytes.extend_from_slice(scope.region.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Admits a request that carries a grant for exactly this blob.
pub fn check_grant(
    service: &Arc<Service>,
    repository: &RepositoryName,
    digest: &Digest,
    grant: &str,
    endpoint: Endpoint,
) -> Result<Context, Error> {
    let (expires_at, tag, scope) = read(grant).ok_or_else(unauthorized)?;
    let message = message(&scope, repository, digest, expires_at);
    let parts = message.each_ref().map(Vec::as_slice);
    if !service.keys.verify(Purpose::DownloadGrant, &parts, &tag) {
        return Err(unauthorized());
    }
    check_expiry(service, Timestamp::from_millis(expires_at), LIFETIME_MILLISECONDS)?;
    let caller = Caller::root(&scope);
    let mut ctx = Context::new(service, caller, scope, endpoint);
    ctx.granted = true;
    Ok(ctx)
}

fn sign(
    service: &Service,
    scope: &Scope,
    repository: &RepositoryName,
    digest: &Digest,
    expires_at: i64,
) -> [u8; TAG_BYTES] {
    let message = message(scope, repository, digest, expires_at);
    service
        .keys
        .sign(Purpose::DownloadGrant, &message.each_ref().map(Vec::as_slice))
}

fn message(scope: &Scope, repository: &RepositoryName, digest: &Digest, expires_at: i64) -> [Vec<u8>; 5] {
    [
        scope.registry_id.as_str().into(),
        scope.region.as_str().into(),
        repository.as_str().into(),
        digest.as_bytes().into(),
        expires_at.to_be_bytes().into(),
    ]
}

fn read(grant: &str) -> Option<(i64, [u8; TAG_BYTES], Scope)> {
    if grant.len() > GRANT_CHARACTERS_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(grant).ok()?;
    let (expires_at, rest) = bytes.split_first_chunk::<8>()?;
    let (tag, scope) = rest.split_first_chunk::<TAG_BYTES>()?;
    let (registry_id, region) = std::str::from_utf8(scope).ok()?.split_once('/')?;
    let scope = Scope {
        registry_id: RegistryId::parse(registry_id).ok()?,
        region: Region::parse(region).ok()?,
    };
    Some((i64::from_be_bytes(*expires_at), *tag, scope))
}
