//! `DeleteRegistryPolicy`: removes the policy of a registry and returns it.

use ecru_model::{DeleteRegistryPolicyInput as Input, DeleteRegistryPolicyOutput as Output};

use super::load_policy;
use crate::records::registry_settings::{REGISTRY_POLICY, remove};
use crate::{Context, Error};

pub async fn delete_registry_policy(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let access = ctx.access("DeleteRegistryPolicy", None);

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let policy = load_policy(tx, &access.scope)?;
            remove(tx, &access.scope, REGISTRY_POLICY)?;

            Ok(Output {
                policy_text: Some(policy),
                registry_id: Some(access.scope.registry_id.clone()),
            })
        })
        .await
}
