//! Receives a whole blob in one request, without a row until it is published.

use std::sync::Arc;

use ecru_model::DigestAlgorithm;

use crate::core::{Core, off_thread};
use crate::uploads::pump::{AppendError, ByteSource, Holder, pump};
use crate::uploads::spool::Spool;
use crate::{Received, StoreError, Tried};

pub(crate) async fn receive(
    core: &Arc<Core>,
    algorithm: DigestAlgorithm,
    source: &mut impl ByteSource,
    limit_bytes: u64,
) -> Result<Received, AppendError> {
    let loose = Loose(Some(Spool::new(core.files.clone(), algorithm)));
    let (loose, taken) = pump(loose, source, limit_bytes).await;
    taken?;

    let loose = loose.ok_or(StoreError::Panicked)?;
    off_thread(move || loose.finish())
        .await
        .map_err(AppendError::from)
}

/// A spool whose file no row names.
struct Loose(Option<Spool>);

impl Loose {
    /// From here on the file belongs to the returned value.
    fn finish(mut self) -> Result<Received, StoreError> {
        let spool = self.0.as_mut().ok_or(StoreError::Panicked)?;
        let digest = spool.digest();
        let received = spool.finish(digest).tried("sync a blob")?;
        self.0 = None;
        Ok(received)
    }
}

impl Holder for Loose {
    fn spool(&mut self) -> Option<&mut Spool> {
        self.0.as_mut()
    }

    fn checkpoint(&mut self) -> Result<(), AppendError> {
        match &mut self.0 {
            Some(spool) => Ok(spool.flush_on().map(drop).tried("sync a blob")?),
            None => Ok(()),
        }
    }
}

impl Drop for Loose {
    fn drop(&mut self) {
        if let Some(spool) = &self.0
            && let Some(name) = spool.file()
        {
            spool.files().unlink_later(name);
        }
    }
}
