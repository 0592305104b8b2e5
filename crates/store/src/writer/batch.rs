//! One transaction of many writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::announcements::Topics;
use crate::backend::Connection;
use crate::changes::Changes;
use crate::{StoreError, Tx};

/// A write, whatever its types.
pub(crate) trait Job: Send {
    /// Does the work, and says whether its changes are to be kept. May be asked again, in another transaction.
    fn run(&mut self, tx: &Tx<'_>) -> bool;

    /// Answers the caller, after the commit.
    fn settle(self: Box<Self>, committed: Result<(), Arc<StoreError>>);
}

/// A write whose caller waits.
pub(crate) struct Pending<T, E, F> {
    work: F,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Pending<T, E, F> {
    pub(crate) fn new(work: F, answer: oneshot::Sender<Result<T, E>>) -> Pending<T, E, F> {
        Pending {
            work,
            result: None,
            answer,
        }
    }
}

impl<T, E, F> Job for Pending<T, E, F>
where
    F: Fn(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(tx)))
            .unwrap_or_else(|_| Err(StoreError::Panicked.into()));

        let result = match result {
            Ok(_) if tx.is_poisoned() => Err(StoreError::Poisoned.into()),
            other => other,
        };
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    /// What a write decided, its refusals too, may rest on what the others of its batch changed: without the
    /// commit, none of it holds.
    fn settle(self: Box<Self>, committed: Result<(), Arc<StoreError>>) {
        let Pending { work, result, answer } = *self;
        // What the work holds is let go of before the caller goes on, who may want to be the last to hold it.
        drop(work);
        let result = match (committed, result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Closed.into()),
            (Err(cause), _) => Err(StoreError::NotCommitted(cause).into()),
        };
        // The caller may have gone away; the change stands.
        drop(answer.send(result));
    }
}

/// Runs each job in a savepoint of one transaction, and gives what the kept ones announced. After an error nothing is
/// known of the transaction.
pub(crate) fn commit<'j>(
    connection: &dyn Connection,
    changes: &Changes,
    jobs: impl ExactSizeIterator<Item = &'j mut (dyn Job + 'static)>,
) -> Result<Topics, StoreError> {
    let alone = jobs.len() == 1;
    let run = |sql| connection.execute(sql, &[]).map(drop);

    let mut announced = Topics::default();

    connection.begin()?;
    for job in jobs {
        let tx = Tx::new(connection);
        if alone {
            if !job.run(&tx) {
                run("ROLLBACK")?;
                return Ok(announced);
            }
            announced = tx.announced();
            continue;
        }
        run("SAVEPOINT one")?;
        if job.run(&tx) {
            announced = announced.and(tx.announced());
        } else {
            run("ROLLBACK TO SAVEPOINT one")?;
        }
        run("RELEASE SAVEPOINT one")?;
    }
    changes.during(|| connection.commit())?;
    Ok(announced)
}
