//! STS beside its requests: expired sessions are removed, and a reset ends sessions.

use std::sync::Arc;

use ecru_platform::Platform;
use ecru_platform::component::Component;
use ecru_platform::jobs::Kind;
use ecru_platform::principals::{self, SessionExpiry};
use ecru_store::{StoreError, Tx};

pub struct StsComponent(pub Arc<Platform>);

impl Component for StsComponent {
    fn name(&self) -> &'static str {
        "sts"
    }

    fn kinds(self: Arc<Self>) -> Vec<Kind> {
        vec![Kind::of::<SessionExpiry>(&self.0)]
    }

    fn forget(&self, tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
        principals::forget(tx, account)
    }
}
