//! `PutLifecyclePolicy`: checks a policy, replaces the present one, and schedules its application at once.

use ecru_model::{LifecyclePolicyText, PutLifecyclePolicyInput as Input, PutLifecyclePolicyOutput as Output};
use ecru_store::stored;

use crate::lifecycle_policy::{accept, save};
use crate::{Context, Error};

pub async fn put_lifecycle_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutLifecyclePolicy", input.registry_id.as_ref());
    let name = input.repository_name;
    let policy = match accept(input.lifecycle_policy_text.as_str()) {
        Ok(policy) => policy,
        Err(error) => return Err(access.refuse_after_lookup(&ctx.store, &name, error).await),
    };
    let text = stored(LifecyclePolicyText::parse(policy.as_str()))?;
    let now = ctx.clock.now();

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            save(tx, &repository, &policy, now)?;

            Ok(Output {
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
                lifecycle_policy_text: Some(text.clone()),
            })
        })
        .await
}
