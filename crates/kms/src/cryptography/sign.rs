//! `Sign`: signs a message, or a digest that the client made.

use super::{digest, load};
use crate::context::elsewhere;
use crate::error::end_dry_run;
use crate::generated::shapes::{KeyUsageType, SignInput as Input, SignOutput as Output};
use crate::primitives::signatures;
use crate::{Context, Error};

pub(crate) async fn sign(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("Sign");
    let (key, material) = load(ctx, &request, input.key_id.as_str(), KeyUsageType::SignVerify).await?;
    let algorithm = input.signing_algorithm;
    let digest = digest(&key, algorithm, &input.message, input.message_type)?;
    let secret = ctx.unwrap(&key, &material)?;
    end_dry_run(input.dry_run)?;

    let sign = move || {
        signatures::sign(&secret, algorithm, &digest)
            .ok_or_else(|| Error::internal("a digest cannot be signed"))
    };
    let signature = if key.spec.is_rsa() {
        elsewhere(sign).await?
    } else {
        sign()?
    };
    Ok(Output {
        key_id: Some(key.arn_as_id()?),
        signature: Some(signature),
        signing_algorithm: Some(algorithm),
    })
}
