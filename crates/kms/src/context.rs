//! What an operation can use: the service of the process, and the caller and scope of the request.

use std::ops::Deref;
use std::sync::Arc;

use ecru_model::{Caller, Scope};
use ecru_platform::Platform;

use crate::Error;
use crate::master_key::{MasterKeySource, MasterKeys};

/// The service; one per process.
pub struct Service {
    pub platform: Arc<Platform>,
    pub(crate) master_keys: MasterKeys,
}

impl Service {
    pub fn new(platform: Arc<Platform>, source: MasterKeySource) -> Arc<Self> {
        Arc::new(Self {
            platform,
            master_keys: MasterKeys::new(source),
        })
    }
}

impl Deref for Service {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}

/// A request of one caller.
pub struct Context {
    pub(crate) service: Arc<Service>,
    pub(crate) caller: Caller,
    pub(crate) scope: Scope,
}

impl Deref for Context {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Runs work of more than half a millisecond away from the threads that serve requests.
pub(crate) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::internal("the work panicked").caused_by(error)),
    }
}
