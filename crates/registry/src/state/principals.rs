//! Which principal an access key belongs to.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use ecru_model::RegistryId;
use ecru_store::{Row, Snapshot, Store, StoreError, stored};

use crate::{Caller, Error};

/// All bindings, in memory because every signed request reads them.
pub(crate) struct Principals(RwLock<HashMap<String, Caller>>);

impl Principals {
    pub(crate) fn load(at: &Snapshot<'_>) -> Result<Self, StoreError> {
        Ok(Self(RwLock::new(load_all(at)?)))
    }

    pub(crate) fn reload(&self, store: &Store) -> Result<(), Error> {
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
