//! The access keys that are bound to a principal, in memory.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use ecru_model::{Caller, RegistryId};
use ecru_store::{Row, Snapshot, Store, StoreError, stored};

/// All bindings: every signed request reads them.
pub struct Bindings(RwLock<HashMap<String, Caller>>);

impl Bindings {
    pub(crate) fn load(at: &Snapshot<'_>) -> Result<Self, StoreError> {
        Ok(Self(RwLock::new(load_all(at)?)))
    }

    pub fn reload(&self, store: &Store) -> Result<(), StoreError> {
        // Read under the lock: of two reloads, the later one has seen the changes of both.
        let mut bound = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *bound = store.read(load_all)?;
        Ok(())
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<Caller> {
        let bound = self.0.read().unwrap_or_else(PoisonError::into_inner);
        bound.get(access_key_id).cloned()
    }
}

fn load_all(at: &Snapshot<'_>) -> Result<HashMap<String, Caller>, StoreError> {
    let all = at.query(
        "SELECT access_key_id, account, arn FROM principals",
        &[],
        |row: &Row<'_>| {
            let registry_id = stored(RegistryId::parse(row.text(1)?))?;
            let caller = Caller::identity(registry_id, row.text(2)?.to_owned());
            Ok((row.text(0)?.to_owned(), caller))
        },
    )?;
    Ok(all.into_iter().collect())
}
