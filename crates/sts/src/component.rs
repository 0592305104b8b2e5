//! STS beside its requests: expired sessions are removed, and a reset ends sessions.

use std::sync::Arc;

use ecru_platform::component::Component;
use ecru_platform::jobs::Kind;
use ecru_platform::principals::{SessionExpiry, forget_sessions};
use ecru_store::{StoreError, Tx};

use crate::Sts;

impl Component for Sts {
    fn name(&self) -> &'static str {
        "sts"
    }

    fn kinds(self: Arc<Self>) -> Vec<Kind> {
        vec![Kind::of::<SessionExpiry>(&self.0)]
    }

    fn forget(&self, tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
        forget_sessions(tx, account)
    }
}
