//! `GetRepositoryPolicy`: the policy of a repository.

use ecru_model::{GetRepositoryPolicyInput as Input, GetRepositoryPolicyOutput as Output};

use super::load;
use crate::context::Wanted;
use crate::{Context, Error, repositories};

pub async fn get_repository_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let wanted = Wanted::on("GetRepositoryPolicy", &input.repository_name);
    let scope = ctx.registry(input.registry_id.as_ref(), wanted)?;

    ctx.store.read(|at| {
        let repository = repositories::load(at, &scope, &input.repository_name)?;
        Ok(Output {
            policy_text: Some(load(at, &repository)?),
            registry_id: Some(repository.scope.registry_id),
            repository_name: Some(repository.name),
        })
    })
}
