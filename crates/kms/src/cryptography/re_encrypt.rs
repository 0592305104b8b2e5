//! `ReEncrypt`: decrypts with one key and encrypts with another, without showing the text.

use super::open::{Closed, end_dry_run_without_ciphertext, open};
use super::seal::Sealing;
use crate::error::{end_dry_run, missing};
use crate::generated::shapes::{ReEncryptInput as Input, ReEncryptOutput as Output};
use crate::{Context, Error};

pub(crate) async fn re_encrypt(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("ReEncrypt");
    let sealing = Sealing::begin(
        ctx,
        &request,
        input.destination_key_id.as_str(),
        input.destination_encryption_algorithm,
        input.destination_encryption_context,
    )
    .await?;
    let asked = (input.source_key_id.as_ref(), input.dry_run);
    end_dry_run_without_ciphertext(ctx, &request, asked, input.dry_run_modifiers.as_deref()).await?;
    let closed = Closed {
        ciphertext: input.ciphertext_blob.ok_or_else(|| missing("ciphertextBlob"))?,
        key_name: input.source_key_id,
        algorithm: input.source_encryption_algorithm,
        context: input.source_encryption_context,
    };
    let opened = open(ctx, &request, closed).await?;
    end_dry_run(input.dry_run)?;
    let ciphertext = sealing.seal(ctx, &opened.plaintext)?;
    Ok(Output {
        ciphertext_blob: Some(ciphertext),
        source_key_id: Some(opened.key.arn_as_id()?),
        key_id: Some(sealing.key.arn_as_id()?),
        source_encryption_algorithm: Some(opened.algorithm),
        destination_encryption_algorithm: Some(sealing.algorithm),
        source_key_material_id: opened.material_id,
        destination_key_material_id: sealing.material_id(),
    })
}
