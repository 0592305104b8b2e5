//! `ListKeyPolicies`: a key has one policy, so there is one page and no marker.

use ecru_store::stored;

use super::NAME;
use crate::error::invalid;
use crate::generated::shapes::{
    ListKeyPoliciesInput as Input, ListKeyPoliciesOutput as Output, PolicyNameType,
};
use crate::{Context, Error};

pub(crate) async fn list_key_policies(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("ListKeyPolicies");
    ctx.store
        .read(|at| request.key_by_id(at, input.key_id.as_str()))
        .await?;
    if input.marker.is_some() {
        return Err(invalid("The list has one page, so that no marker was returned"));
    }
    Ok(Output {
        policy_names: Some(vec![stored(PolicyNameType::parse(NAME))?]),
        next_marker: None,
        truncated: Some(false),
    })
}
