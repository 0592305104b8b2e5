//! `GetLifecyclePolicy`: the policy of a repository, and when it was last applied.

use ecru_model::{GetLifecyclePolicyInput as Input, GetLifecyclePolicyOutput as Output};

use crate::lifecycle_policy::load;
use crate::{Context, Error};

pub async fn get_lifecycle_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetLifecyclePolicy", input.registry_id.as_ref());

    ctx.store
        .read(|at| {
            let repository = access.repository(at, &input.repository_name)?;
            let policy = load(at, &repository)?;
            Ok(Output {
                lifecycle_policy_text: Some(policy.text()?),
                last_evaluated_at: Some(policy.last_evaluated_at),
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
            })
        })
        .await
}
