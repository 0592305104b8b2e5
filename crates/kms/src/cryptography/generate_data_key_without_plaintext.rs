//! `GenerateDataKeyWithoutPlaintext`: a new data key, encrypted alone.

use super::data_key::{Wanted, make};
use crate::generated::shapes::{
    GenerateDataKeyWithoutPlaintextInput as Input, GenerateDataKeyWithoutPlaintextOutput as Output,
};
use crate::{Context, Error};

pub(crate) async fn generate_data_key_without_plaintext(
    ctx: &Context,
    input: Input,
) -> Result<Output, Error> {
    let wanted = Wanted {
        key_name: input.key_id,
        context: input.encryption_context,
        spec: input.key_spec,
        bytes: input.number_of_bytes,
        dry_run: input.dry_run,
    };
    let made = make(ctx, &ctx.request("GenerateDataKeyWithoutPlaintext"), wanted).await?;
    Ok(Output {
        ciphertext_blob: Some(made.ciphertext),
        key_id: Some(made.key_id),
        key_material_id: made.material_id,
    })
}
