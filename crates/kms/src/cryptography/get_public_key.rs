//! `GetPublicKey`: the public half of an asymmetric key.

use super::load_public;
use crate::generated::shapes::{GetPublicKeyInput as Input, GetPublicKeyOutput as Output};
use crate::{Context, Error};

pub(crate) async fn get_public_key(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("GetPublicKey");
    let (key, public_key) = load_public(ctx, &request, input.key_id.as_str(), |_| Ok(())).await?;
    let encryption = key.spec.encryption_algorithms(key.usage);
    let signing = key.spec.signing_algorithms(key.usage);
    Ok(Output {
        key_id: Some(key.arn_as_id()?),
        public_key: Some(public_key),
        customer_master_key_spec: Some(key.spec.customer_master_key_spec()),
        key_spec: Some(key.spec.key_spec()),
        key_usage: Some(key.usage),
        encryption_algorithms: (!encryption.is_empty()).then(|| encryption.to_vec()),
        signing_algorithms: (!signing.is_empty()).then(|| signing.to_vec()),
        key_agreement_algorithms: None,
        encapsulation_algorithms: None,
    })
}
