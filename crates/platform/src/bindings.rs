//! The access keys that are bound to a principal, in memory.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use ecru_model::{Caller, RegistryId};
use ecru_store::{Row, Snapshot, Store, StoreError, stored};
use tokio::sync::Mutex as Turn;

/// All bindings: every signed request reads them.
pub struct Bindings {
    bound: RwLock<HashMap<String, Caller>>,
    /// Of two reloads, the later one reads the changes of both.
    reloading: Turn<()>,
}

impl Bindings {
    pub(crate) fn load(at: &Snapshot<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            bound: RwLock::new(load_all(at)?),
            reloading: Turn::default(),
        })
    }

    pub async fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.reloading.lock().await;
        let bound = store.read(load_all).await?;
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = bound;
        Ok(())
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<Caller> {
        let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner);
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
