//! `GetRegistryPolicy`: the policy of a registry.

use ecru_model::{GetRegistryPolicyInput as Input, GetRegistryPolicyOutput as Output};

use super::load_policy;
use crate::{Context, Error};

pub async fn get_registry_policy(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetRegistryPolicy", None);

    ctx.store
        .read(|at| {
            access.registry(at)?;
            Ok(Output {
                policy_text: Some(load_policy(at, &access.scope)?),
                registry_id: Some(access.scope.registry_id.clone()),
            })
        })
        .await
}
