//! Policies of repositories: stored in the form in which ECR returns them.

mod delete_repository_policy;
mod document;
mod get_repository_policy;
mod set_repository_policy;

use ecru_model::{ErrorCode, RepositoryPolicyText};
use ecru_store::{Snapshot, Tx, Value};

use crate::Error;
use crate::repositories::{self, Repository};

pub use delete_repository_policy::delete_repository_policy;
pub use get_repository_policy::get_repository_policy;
pub use set_repository_policy::set_repository_policy;

fn load(at: &Snapshot<'_>, repository: &Repository) -> Result<RepositoryPolicyText, Error> {
    let text = at
        .find(
            "SELECT policy FROM repositories WHERE id = ?1",
            &[Value::Integer(repository.id)],
            |row| Ok(row.optional_text(0)?.map(str::to_owned)),
        )?
        .flatten()
        .ok_or_else(|| not_found(repository))?;
    Ok(repositories::stored(RepositoryPolicyText::parse(text))?)
}

fn save(tx: &Tx<'_>, repository: &Repository, policy: Option<&str>) -> Result<(), Error> {
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
