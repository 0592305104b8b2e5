//! `GetRepositoryPolicy`: the policy of a repository.

use ecru_model::{GetRepositoryPolicyInput as Input, GetRepositoryPolicyOutput as Output};

use super::load;
use crate::{Context, Error};

pub async fn get_repository_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetRepositoryPolicy", input.registry_id.as_ref());

    ctx.store
        .read(|at| {
            let repository = access.repository(at, &input.repository_name)?;
            Ok(Output {
                policy_text: Some(load(at, &repository)?),
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
            })
        })
        .await
}
