//! The owners of access keys: principals that the control API has bound, and sessions.

mod bound;
mod session;

use ecru_model::{Caller, Region, RegistryId, Scope};
use ecru_store::{StoreError, Tx};

use crate::{Platform, Sender, Session, Signed};

pub use bound::{BindError, Principal, bind_principal, list_principals, release_principal};
pub use session::{Credentials, NewSession, issue_session};

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
    pub fn identify(&self, signed: Signed) -> Result<Sender, Unidentified> {
        let Signed {
            access_key_id,
            region,
        } = signed;
        if let Some(caller) = self.bindings.find(&access_key_id) {
            return Ok(sender(access_key_id, caller, region, None));
        }
        if let Some(session) = session::find(self, &access_key_id)? {
            let caller = session.caller.clone();
            return Ok(sender(access_key_id, caller, region, Some(session)));
        }
        let account = RegistryId::parse(&access_key_id).unwrap_or_else(|_| self.default_account.clone());
        let scope = Scope {
            registry_id: account,
            region,
        };
        Ok(Sender {
            access_key_id,
            caller: Caller::root(&scope),
            scope,
            session: None,
        })
    }
}

fn sender(access_key_id: String, caller: Caller, region: Region, session: Option<Session>) -> Sender {
    let scope = Scope {
        registry_id: caller.registry_id.clone(),
        region,
    };
    Sender {
        access_key_id,
        caller,
        scope,
        session,
    }
}

/// Deletes the bindings and sessions of one account, or of all accounts.
pub fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    bound::forget(tx, account)?;
    session::forget(tx, account)
}
