//! `DeleteRepositoryPolicy`: removes the policy of a repository and returns it.

use ecru_model::{DeleteRepositoryPolicyInput as Input, DeleteRepositoryPolicyOutput as Output};

use super::{load, save};
use crate::{Context, Error};

pub async fn delete_repository_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DeleteRepositoryPolicy", input.registry_id.as_ref());
    let name = input.repository_name;

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            let policy = load(tx, &repository)?;
            save(tx, &repository, None)?;

            Ok(Output {
                policy_text: Some(policy),
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
            })
        })
        .await
}
