//! `GenerateDataKey`: a new data key, plain and encrypted.

use super::data_key::{Wanted, make};
use super::refuse_recipient;
use crate::generated::shapes::{GenerateDataKeyInput as Input, GenerateDataKeyOutput as Output};
use crate::{Context, Error};

pub(crate) async fn generate_data_key(ctx: &Context, input: Input) -> Result<Output, Error> {
    refuse_recipient(input.recipient.as_ref())?;
    let wanted = Wanted {
        key_name: input.key_id,
        context: input.encryption_context,
        spec: input.key_spec,
        bytes: input.number_of_bytes,
        dry_run: input.dry_run,
    };
    let made = make(ctx, &ctx.request("GenerateDataKey"), wanted).await?;
    Ok(Output {
        ciphertext_blob: Some(made.ciphertext),
        plaintext: Some(made.plaintext.to_vec()),
        key_id: Some(made.key_id),
        ciphertext_for_recipient: None,
        key_material_id: made.material_id,
    })
}
