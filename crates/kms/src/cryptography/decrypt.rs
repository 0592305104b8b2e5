//! `Decrypt`: returns the text that a key has encrypted.

use super::open::{Closed, end_dry_run_without_ciphertext, open};
use super::refuse_recipient;
use crate::error::{end_dry_run, missing};
use crate::generated::shapes::{DecryptInput as Input, DecryptOutput as Output};
use crate::{Context, Error};

pub(crate) async fn decrypt(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("Decrypt");
    refuse_recipient(input.recipient.as_ref())?;
    let asked = (input.key_id.as_ref(), input.dry_run);
    end_dry_run_without_ciphertext(ctx, &request, asked, input.dry_run_modifiers.as_deref()).await?;
    let closed = Closed {
        ciphertext: input.ciphertext_blob.ok_or_else(|| missing("ciphertextBlob"))?,
        key_name: input.key_id,
        algorithm: input.encryption_algorithm,
        context: input.encryption_context,
    };
    let opened = open(ctx, &request, closed).await?;
    end_dry_run(input.dry_run)?;
    Ok(Output {
        key_id: Some(opened.key.arn_as_id()?),
        plaintext: Some(opened.plaintext.to_vec()),
        encryption_algorithm: Some(opened.algorithm),
        ciphertext_for_recipient: None,
        key_material_id: opened.material_id,
    })
}
