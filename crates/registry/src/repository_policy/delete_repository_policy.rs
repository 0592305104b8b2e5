//! `DeleteRepositoryPolicy`: removes the policy of a repository and answers with it.

use ecru_model::{DeleteRepositoryPolicyInput as Input, DeleteRepositoryPolicyOutput as Output};

use super::{load, save};
use crate::context::Wanted;
use crate::{Context, Error, repositories};

pub async fn delete_repository_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let wanted = Wanted::on("DeleteRepositoryPolicy", &input.repository_name);
    let scope = ctx.registry(input.registry_id.as_ref(), wanted)?;
    let name = input.repository_name;

    ctx.store
        .write(move |tx| {
            let repository = repositories::load(tx, &scope, &name)?;
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
