//! The policy of a registry, and the actions that it governs.

use ecru_model::Scope;
use ecru_policy::Policy;
use ecru_store::{Snapshot, StoreError};

use super::parse_stored;
use crate::Error;
use crate::records::registry_settings::{REGISTRY_POLICY, REGISTRY_POLICY_SCOPE, find};

/// The scope of a registry policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyScope {
    /// Replication, the pull-through cache, and the repositories these create.
    V1,
    /// Every action.
    V2,
}

/// The policy of the registry, and its scope.
pub(crate) fn find_policy(at: &Snapshot<'_>, scope: &Scope) -> Result<Option<(Policy, PolicyScope)>, Error> {
    let Some(text) = find(at, scope, REGISTRY_POLICY)? else {
        return Ok(None);
    };
    read_policy(at, scope, &text).map(Some)
}

/// Reads the policy of a registry from its stored text.
pub(crate) fn read_policy(
    at: &Snapshot<'_>,
    scope: &Scope,
    text: &str,
) -> Result<(Policy, PolicyScope), Error> {
    let policy =
        parse_stored(text).ok_or_else(|| StoreError::damaged("a stored registry policy is invalid"))?;
    let reach = match find(at, scope, REGISTRY_POLICY_SCOPE)?.as_deref() {
        Some("V1") => PolicyScope::V1,
        _ => PolicyScope::V2,
    };
    Ok((policy, reach))
}
