//! The end of an upload: its bytes are verified, put on stable storage and published in one transaction.

use std::sync::Arc;

use ecru_model::Digest;

use crate::core::off_thread;
use crate::tables::uploads;
use crate::uploads::session::Session;
use crate::uploads::upload::Upload;
use crate::{Received, StoreError, Tried, Tx};

/// Why an upload did not end.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError<E> {
    /// The upload is kept, so that a request with the right digest can complete it.
    #[error("the bytes have the digest `{computed}`")]
    Mismatch { computed: Digest },

    /// The upload is kept.
    #[error("the blob was not published")]
    Refused(E),

    #[error("the upload has ended, or must be taken again")]
    Gone,

    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Upload {
    /// Publishes the bytes under the first of `digests` that matches them. In one transaction `publish`
    /// inserts the blob and its other rows, and the upload ends. If `publish` fails, the upload is kept. For
    /// a refusal that ends the upload, `publish` succeeds with a `T` that holds the refusal. Continues if the
    /// caller is dropped.
    pub async fn complete<T, E, F>(mut self, digests: &[Digest], publish: F) -> Result<T, CompleteError<E>>
    where
        F: Fn(&Tx<'_>, &Received) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let session = self.session.take().ok_or(CompleteError::Gone)?;
        let digests = digests.to_vec();
        let completing = tokio::spawn(complete(session, digests, publish));
        completing
            .await
            .unwrap_or(Err(CompleteError::Store(StoreError::Panicked)))
    }
}

async fn complete<T, E, F>(session: Session, digests: Vec<Digest>, publish: F) -> Result<T, CompleteError<E>>
where
    F: Fn(&Tx<'_>, &Received) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (mut session, digest) = verify(session, digests).await?;
    let digest = digest.map_err(|computed| CompleteError::Mismatch { computed })?;
    let received;
    (session, received) = finish(session, digest).await?;
    let received = Arc::new(received?);

    let (id, publishing) = (session.id(), received.clone());
    let (may_have_row, must_have_row) = (session.may_have_row(), !session.is_rowless());
    let published = session
        .core
        .clone()
        .write(move |tx| {
            let ended = may_have_row && uploads::delete(tx, &id)?;
            if must_have_row && !ended {
                return Err(Failure::Gone);
            }
            publish(tx, &publishing).map_err(Failure::Refused)
        })
        .await;

    settle(session, &received, published).await
}

/// The requested digest that matches the bytes, or else their actual digest.
type Verified = Result<Digest, Digest>;

async fn verify(session: Session, digests: Vec<Digest>) -> Result<(Session, Verified), StoreError> {
    let state = session.state().ok_or(StoreError::Panicked)?;
    let computed = state.spool.digest();
    if digests.contains(&computed) {
        return Ok((session, Ok(computed)));
    }
    let Some(other) = digests
        .iter()
        .map(Digest::algorithm)
        .find(|algorithm| *algorithm != state.spool.algorithm())
    else {
        return Ok((session, Err(computed)));
    };

    off_thread(move || {
        let mut session = session;
        let state = session.state_mut()?;
        let by_other = state.spool.digest_by(other).tried("read an upload")?;
        let verified = if digests.contains(&by_other) {
            Ok(by_other)
        } else {
            Err(computed)
        };
        Ok((session, verified))
    })
    .await
}

async fn finish(
    mut session: Session,
    digest: Digest,
) -> Result<(Session, Result<Received, StoreError>), StoreError> {
    if session.state().is_some_and(|state| state.spool.file().is_none()) {
        let received = session.finish(digest);
        return Ok((session, received));
    }
    off_thread(move || {
        let received = session.finish(digest);
        Ok((session, received))
    })
    .await
}

/// The failure that the transaction ended with.
enum Failure<E> {
    Gone,
    Refused(E),
    Store(StoreError),
}

impl<E> From<StoreError> for Failure<E> {
    fn from(error: StoreError) -> Failure<E> {
        Failure::Store(error)
    }
}

async fn settle<T, E>(
    mut session: Session,
    received: &Arc<Received>,
    published: Result<T, Failure<E>>,
) -> Result<T, CompleteError<E>> {
    match published {
        Ok(value) => {
            // The file now belongs to the blob, or is not needed.
            session.end();
            if let Some(name) = received.take_unclaimed() {
                let files = session.core.files.clone();
                off_thread(move || {
                    files.unlink_quietly(name);
                    Ok(())
                })
                .await?;
            }
            Ok(value)
        }
        Err(Failure::Gone) => {
            session.end();
            Err(CompleteError::Gone)
        }
        Err(Failure::Refused(error)) => {
            received.keep();
            Err(CompleteError::Refused(error))
        }
        Err(Failure::Store(error)) => {
            received.keep();
            if matches!(error, StoreError::NotCommitted(_)) {
                session.mark_uncertain();
            }
            Err(CompleteError::Store(error))
        }
    }
}
