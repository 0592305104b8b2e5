//! `GetLifecyclePolicy`: the policy of a repository, and when it was last applied.

use ecru_model::{GetLifecyclePolicyInput as Input, GetLifecyclePolicyOutput as Output};

use super::load;
use crate::context::Wanted;
use crate::{Context, Error, repositories};

pub async fn get_lifecycle_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let wanted = Wanted::on("GetLifecyclePolicy", &input.repository_name);
    let scope = ctx.registry(input.registry_id.as_ref(), wanted)?;

    ctx.store.read(|at| {
        let repository = repositories::load(at, &scope, &input.repository_name)?;
        let policy = load(at, &repository)?;
        Ok(Output {
            lifecycle_policy_text: Some(policy.text()?),
            last_evaluated_at: Some(policy.last_evaluated_at),
            registry_id: Some(repository.scope.registry_id),
            repository_name: Some(repository.name),
        })
    })
}
