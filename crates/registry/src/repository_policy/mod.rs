//! Policies of repositories: stored in the form in which ECR returns them.

mod delete_repository_policy;
mod get_repository_policy;
mod set_repository_policy;

use ecru_model::ErrorCode;
use ecru_store::{Snapshot, StoreError, Tx, Value};

use crate::Error;
use crate::records::repositories::Repository;

pub use delete_repository_policy::delete_repository_policy;
pub use get_repository_policy::get_repository_policy;
pub use set_repository_policy::set_repository_policy;

fn find_text(at: &Snapshot<'_>, repository: &Repository) -> Result<Option<String>, StoreError> {
    let found = at.find(
        "SELECT policy FROM repositories WHERE id = ?1",
        &[Value::Integer(repository.id)],
        |row| Ok(row.optional_text(0)?.map(str::to_owned)),
    )?;
    Ok(found.flatten())
}

fn load(at: &Snapshot<'_>, repository: &Repository) -> Result<String, Error> {
    find_text(at, repository)?.ok_or_else(|| not_found(repository))
}

pub(crate) fn save(tx: &Tx<'_>, repository: &Repository, policy: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE repositories SET policy = ?2 WHERE id = ?1",
        &[Value::Integer(repository.id), Value::from(policy)],
    )?;
    Ok(())
}

fn not_found(repository: &Repository) -> Error {
    Error::new(
        ErrorCode::RepositoryPolicyNotFoundException,
        format!(
            "Repository policy does not exist for the repository with name '{}' in the registry with id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}
