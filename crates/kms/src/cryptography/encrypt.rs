//! `Encrypt`: encrypts up to 4096 bytes.

use super::seal::Sealing;
use crate::error::end_dry_run;
use crate::generated::shapes::{EncryptInput as Input, EncryptOutput as Output};
use crate::{Context, Error};

pub(crate) async fn encrypt(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("Encrypt");
    let sealing = Sealing::begin(
        ctx,
        &request,
        input.key_id.as_str(),
        input.encryption_algorithm,
        input.encryption_context,
    )
    .await?;
    end_dry_run(input.dry_run)?;
    let ciphertext = sealing.seal(ctx, &input.plaintext)?;
    Ok(Output {
        ciphertext_blob: Some(ciphertext),
        key_id: Some(sealing.key.arn_as_id()?),
        encryption_algorithm: Some(sealing.algorithm),
    })
}
