//! One transaction of many writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::announcements::Topics;
use crate::backend::Connection;
use crate::changes::Changes;
use crate::{StoreError, Tx};

/// A write with its types erased.
pub(crate) trait Job: Send {
    /// Runs the work, and returns whether to keep its changes. May be called again, in another transaction.
    fn run(&mut self, tx: &Tx<'_>) -> bool;

    /// Sends the result to the caller, after the commit.
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

    /// The result of a write, including a refusal, may depend on changes of other writes in its batch.
    /// Without the commit, none of the results is valid.
    fn settle(self: Box<Self>, committed: Result<(), Arc<StoreError>>) {
        let Pending { work, result, answer } = *self;
        // The values that the work holds are dropped before the caller continues, because the caller may need
        // to be their last owner.
        drop(work);
        let result = match (committed, result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Closed.into()),
            (Err(cause), _) => Err(StoreError::NotCommitted(cause).into()),
        };
        // The caller may be gone; the change is kept.
        drop(answer.send(result));
    }
}

/// Runs the jobs in one transaction, and returns the announcements of the kept ones. After an error the state
/// of the transaction is unknown.
///
/// A savepoint costs a copy of every page that is touched, and few jobs are refused after they have changed
/// something. Savepoints are therefore made only after such a refusal was seen, and all jobs run again.
pub(crate) fn commit(
    connection: &dyn Connection,
    changes: &Changes,
    jobs: &mut [&mut (dyn Job + 'static)],
) -> Result<Topics, StoreError> {
    connection.begin()?;
    if let Some(announced) = run_all(connection, jobs) {
        changes.during(|| connection.commit())?;
        return Ok(announced);
    }
    execute(connection, "ROLLBACK")?;
    if jobs.len() == 1 {
        return Ok(Topics::default());
    }
    connection.begin()?;
    let announced = run_each_in_a_savepoint(connection, jobs)?;
    changes.during(|| connection.commit())?;
    Ok(announced)
}

/// Returns `None` if a job must not be kept and has changed something.
fn run_all(connection: &dyn Connection, jobs: &mut [&mut (dyn Job + 'static)]) -> Option<Topics> {
    let mut announced = Topics::default();
    for job in jobs {
        let tx = Tx::new(connection);
        if job.run(&tx) {
            announced = announced.and(tx.announced());
        } else if tx.has_changed() {
            return None;
        }
    }
    Some(announced)
}

fn run_each_in_a_savepoint(
    connection: &dyn Connection,
    jobs: &mut [&mut (dyn Job + 'static)],
) -> Result<Topics, StoreError> {
    let mut announced = Topics::default();
    for job in jobs {
        let tx = Tx::new(connection);
        execute(connection, "SAVEPOINT one")?;
        if job.run(&tx) {
            announced = announced.and(tx.announced());
        } else {
            execute(connection, "ROLLBACK TO SAVEPOINT one")?;
        }
        execute(connection, "RELEASE SAVEPOINT one")?;
    }
    Ok(announced)
}

fn execute(connection: &dyn Connection, sql: &str) -> Result<(), StoreError> {
    connection.execute(sql, &[]).map(drop)
}
