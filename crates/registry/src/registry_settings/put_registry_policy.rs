//! `PutRegistryPolicy`: checks a policy and replaces the present one.

use ecru_model::{PutRegistryPolicyInput as Input, PutRegistryPolicyOutput as Output};

use crate::access::{Holder, parse_incoming};
use crate::records::registry_settings::{REGISTRY_POLICY, save};
use crate::{Context, Error};

pub async fn put_registry_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutRegistryPolicy", None);
    let accepted = parse_incoming(input.policy_text.as_str(), Holder::Registry, &access.scope.region);

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let (_, text) = accepted.as_ref().ok_or_else(invalid_policy)?;
            save(tx, &access.scope, REGISTRY_POLICY, text)?;

            Ok(Output {
                policy_text: Some(text.clone()),
                registry_id: Some(access.scope.registry_id.clone()),
            })
        })
        .await
}

fn invalid_policy() -> Error {
    Error::parameter("PolicyText", "Invalid registry policy provided")
}
