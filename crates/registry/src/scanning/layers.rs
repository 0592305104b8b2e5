//! The layers of images in the form that a scanner reads, on threads where it may block.

use ecru_model::Digest;
use ecru_store::{BlobContent, BlobError, Store};
use tokio::runtime::Handle;

use crate::ports::image_scanner::{ScanLayer, ScanProblem};

pub(super) fn layer(store: &Store, digest: Digest) -> ScanLayer {
    let (store, runtime) = (store.clone(), Handle::current());
    ScanLayer {
        digest,
        open: Box::new(move || runtime.block_on(open(&store, digest))),
    }
}

/// None for a layer that is stored elsewhere.
async fn open(store: &Store, digest: Digest) -> Result<Option<BlobContent>, ScanProblem> {
    let failed = |error: BlobError| ScanProblem::Scanner(Box::new(error));
    let found = store.read(|at| store.blobs().find(at, &digest)).await;
    let Some(blob) = found.map_err(|error| failed(error.into()))? else {
        return Ok(None);
    };
    match store.blobs().open(&blob).await {
        Ok(reader) => Ok(Some(reader.into_content())),
        Err(BlobError::Damaged | BlobError::Missing) => {
            Err(ScanProblem::Image(format!("the layer `{digest}` is damaged")))
        }
        Err(error) => Err(failed(error)),
    }
}

pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ScanProblem> + Send + 'static,
) -> Result<T, ScanProblem> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|panic| Err(ScanProblem::Scanner(Box::new(panic))))
}
