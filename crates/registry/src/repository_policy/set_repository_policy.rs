//! `SetRepositoryPolicy`: checks a policy and replaces the present one.

use ecru_model::{ErrorCode, SetRepositoryPolicyInput as Input, SetRepositoryPolicyOutput as Output};

use super::save;
use crate::access::{Holder, parse_incoming};
use crate::{Context, Error};

pub async fn set_repository_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("SetRepositoryPolicy", input.registry_id.as_ref());
    let name = input.repository_name;
    let force = input.force.unwrap_or(false);
    let accepted = parse_incoming(
        input.policy_text.as_str(),
        Holder::Repository,
        &access.scope.region,
    );

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            let (policy, text) = accepted.as_ref().ok_or_else(invalid_policy)?;
            match access.under_policy(tx, &repository, policy) {
                Err(error) if error.code != ErrorCode::AccessDeniedException => return Err(error),
                Err(_) if !force => return Err(locks_out()),
                _ => {}
            }
            save(tx, &repository, Some(text))?;

            Ok(Output {
                policy_text: Some(text.clone()),
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
            })
        })
        .await
}

fn invalid_policy() -> Error {
    Error::parameter("PolicyText", "Invalid repository policy provided")
}

/// [unknown] ECR's wording; the service refuses this too.
fn locks_out() -> Error {
    Error::parameter(
        "PolicyText",
        "The policy would prevent you from setting another policy; use force to set it nevertheless",
    )
}
