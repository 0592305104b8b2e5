//! Applies the policy of a repository when its images change.

use ecru_model::Timestamp;
use ecru_store::{Tx, Value};

use crate::Error;
use crate::lifecycle_policy::schedule_application;
use crate::ports::image_observer::ImageObserver;
use crate::records::repositories::Repository;

pub(crate) struct Observer;

impl ImageObserver for Observer {
    /// A push or a restore may make other images expire.
    fn images_changed(&self, tx: &Tx<'_>, repository: &Repository, now: Timestamp) -> Result<(), Error> {
        let policy = tx.find(
            "SELECT 1 FROM lifecycle_policies WHERE repository_id = ?1",
            &[Value::Integer(repository.id)],
            |row| row.integer(0),
        )?;
        match policy {
            Some(_) => Ok(schedule_application(tx, repository, now)?),
            None => Ok(()),
        }
    }
}
