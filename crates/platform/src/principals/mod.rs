//! The owners of access keys: principals that the control API has bound, and sessions.

mod bound;
mod expiry;
mod session;
mod unique_id;

use ecru_model::{Caller, RegistryId, Scope};
use ecru_store::StoreError;

use crate::{Platform, Sender, Signed};

pub(crate) use bound::forget as forget_bindings;
pub use bound::{BindError, Principal, bind_principal, list_principals, release_principal};
pub use expiry::SessionExpiry;
pub use session::{Credentials, NewSession, find_session, forget as forget_sessions, issue_session};
pub use unique_id::unique_id;

/// Why the owner of an access key is not known.
#[derive(Debug, thiserror::Error)]
pub enum Unidentified {
    #[error("The security token included in the request is expired")]
    Expired,
    /// The key was issued here, and its session was removed.
    #[error("The security token included in the request is invalid.")]
    Unknown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Platform {
    /// An access key that is bound to a principal, or that belongs to a session, means its owner. A key of twelve digits
    /// means the root of that account, and any other key means the root of the default account.
    pub async fn identify(&self, signed: Signed) -> Result<Sender, Unidentified> {
        let Signed {
            access_key_id,
            region,
        } = signed;
        let known = match self.bindings.find(&access_key_id) {
            Some(caller) => Some(caller),
            None => session::find_current(self, &access_key_id).await?,
        };
        let account = known.as_ref().map(|caller| caller.registry_id.clone());
        let account = account.or_else(|| RegistryId::parse(&access_key_id).ok());
        let scope = Scope {
            registry_id: account.unwrap_or_else(|| self.default_account.clone()),
            region,
        };
        Ok(Sender {
            caller: known.unwrap_or_else(|| Caller::root(&scope)),
            access_key_id,
            scope,
        })
    }
}
