//! `PutLifecyclePolicy`: checks a policy, puts it in the place of the one that stands, and has it applied at once.

use ecru_model::{LifecyclePolicyText, PutLifecyclePolicyInput as Input, PutLifecyclePolicyOutput as Output};

use super::{accept, save};
use crate::context::Wanted;
use crate::{Context, Error, repositories};

pub async fn put_lifecycle_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let wanted = Wanted::on("PutLifecyclePolicy", &input.repository_name);
    let scope = ctx.registry(input.registry_id.as_ref(), wanted)?;
    let name = input.repository_name;
    let policy = match accept(input.lifecycle_policy_text.as_str()) {
        Ok(policy) => policy,
        Err(error) => return Err(repositories::refuse_after_lookup(ctx, &scope, &name, error)),
    };
    let text = repositories::stored(LifecyclePolicyText::parse(policy.as_str()))?;
    let now = ctx.clock.now();

    ctx.store
        .write(move |tx| {
            let repository = repositories::load(tx, &scope, &name)?;
            save(tx, &repository, &policy, now)?;

            Ok(Output {
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
                lifecycle_policy_text: Some(text.clone()),
            })
        })
        .await
}
