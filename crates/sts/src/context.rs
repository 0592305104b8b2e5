//! What an operation can use.

use std::ops::Deref;
use std::sync::Arc;

use ecru_model::Caller;
use ecru_platform::{Platform, Sender};

use crate::Error;

/// A request of one sender. An operation that needs no signature may have no sender.
pub struct Context {
    pub(crate) platform: Arc<Platform>,
    pub(crate) sender: Option<Sender>,
}

impl Deref for Context {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}

impl Context {
    pub(crate) fn sender(&self) -> Result<&Sender, Error> {
        let sender = self.sender.as_ref();
        sender.ok_or_else(|| Error::internal("an unsigned request was let through"))
    }

    pub(crate) fn caller(&self) -> Result<&Caller, Error> {
        Ok(&self.sender()?.caller)
    }
}
