//! `DeleteRepository`: removes the name at once; the content of the repository is removed in the background.

use ecru_model::{
    DeleteRepositoryInput as Input, DeleteRepositoryOutput as Output, ErrorCode, RepositoryName, Scope,
};
use ecru_platform::jobs::schedule_everywhere;
use ecru_store::{Snapshot, Value};

use super::removal::RepositoryRemoval;
use crate::records::repositories::HELD;
use crate::{Context, Error};

pub async fn delete_repository(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DeleteRepository", input.registry_id.as_ref());
    let force = input.force.unwrap_or(false);
    let name = input.repository_name;

    let repository = ctx
        .store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            if !force && has_images(tx, repository.id)? {
                return Err(not_empty(&access.scope, &name));
            }
            tx.execute(
                "UPDATE repositories SET deleted = 1 WHERE id = ?1",
                &[Value::Integer(repository.id)],
            )?;
            HELD.give_back(tx, &repository.scope)?;
            schedule_everywhere::<RepositoryRemoval>(tx)?;
            Ok::<_, Error>(repository)
        })
        .await?;

    Ok(Output {
        repository: Some(repository.describe(ctx)),
    })
}

fn has_images(at: &Snapshot<'_>, repository_id: i64) -> Result<bool, Error> {
    let found = at.find(
        "SELECT 1 FROM images WHERE repository_id = ?1 LIMIT 1",
        &[Value::Integer(repository_id)],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}

fn not_empty(scope: &Scope, name: &RepositoryName) -> Error {
    Error::new(
        ErrorCode::RepositoryNotEmptyException,
        format!(
            "The repository with name '{name}' in registry with id '{}' cannot be deleted because it still contains \
             images",
            scope.registry_id
        ),
    )
}
