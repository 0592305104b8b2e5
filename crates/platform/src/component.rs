//! A service beside its requests: its background work, and how it is reset.

use std::sync::Arc;

use ecru_model::RegistryId;
use ecru_store::{StoreError, Tx};

use crate::Platform;
use crate::jobs::Kind;
use crate::principals::forget_bindings;

/// Implemented by every service.
pub trait Component: Send + Sync + 'static {
    /// The name by which clients mean the service, such as `ecr`.
    fn name(&self) -> &'static str;

    fn kinds(self: Arc<Self>) -> Vec<Kind>;

    /// Hides the data of one account, or of all accounts, from every reader.
    fn forget(&self, tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError>;

    /// Called when a reset is committed: what the process keeps in memory must follow.
    fn forgotten(&self) {}
}

/// Resets these services to empty: one account, or all accounts. The access keys that are bound to principals belong to no
/// service, so each reset releases them.
pub async fn reset(
    platform: &Platform,
    components: Vec<Arc<dyn Component>>,
    account: Option<RegistryId>,
    with_clock: bool,
) -> Result<(), StoreError> {
    let _turn = platform.clock_turn.lock().await;
    let forgetting = components.clone();
    let forget = platform.store.write(move |tx| {
        let account = account.as_ref().map(RegistryId::as_str);
        for component in &forgetting {
            component.forget(tx, account)?;
        }
        forget_bindings(tx, account)?;
        if with_clock {
            crate::clock::forget(tx)?;
        }
        Ok::<_, StoreError>(())
    });
    forget.await?;
    if with_clock {
        platform.clock.reset();
    }
    for component in &components {
        component.forgotten();
    }
    platform.bindings.reload(&platform.store).await
}
