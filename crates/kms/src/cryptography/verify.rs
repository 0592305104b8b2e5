//! `Verify`: fails unless the key made the signature.

use super::{digest, load_public};
use crate::error::{end_dry_run, refused};
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{KeyUsageType, VerifyInput as Input, VerifyOutput as Output};
use crate::primitives::signatures;
use crate::{Context, Error};

pub(crate) async fn verify(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("Verify");
    let (key, public) = load_public(ctx, &request, input.key_id.as_str(), |key| {
        key.check_usage(KeyUsageType::SignVerify, request.operation)
    })
    .await?;
    let algorithm = input.signing_algorithm;
    let digest = digest(&key, algorithm, &input.message, input.message_type)?;
    end_dry_run(input.dry_run)?;
    if !signatures::verify(&public, algorithm, &digest, &input.signature) {
        return Err(refused(ErrorCode::KMSInvalidSignatureException, ""));
    }
    Ok(Output {
        key_id: Some(key.arn_as_id()?),
        signature_valid: Some(true),
        signing_algorithm: Some(algorithm),
    })
}
