//! `DeleteLifecyclePolicy`: removes the policy of a repository and returns it.

use ecru_model::{DeleteLifecyclePolicyInput as Input, DeleteLifecyclePolicyOutput as Output};
use ecru_store::Value;

use crate::lifecycle_policy::load;
use crate::{Context, Error};

pub async fn delete_lifecycle_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DeleteLifecyclePolicy", input.registry_id.as_ref());
    let name = input.repository_name;

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            let policy = load(tx, &repository)?;
            tx.execute(
                "DELETE FROM lifecycle_policies WHERE repository_id = ?1",
                &[Value::Integer(repository.id)],
            )?;

            Ok(Output {
                lifecycle_policy_text: Some(policy.text()?),
                last_evaluated_at: Some(policy.last_evaluated_at),
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
            })
        })
        .await
}
