//! `DescribeKey`: what is known of a key, without its secret.

use super::metadata;
use crate::generated::shapes::{DescribeKeyInput as Input, DescribeKeyOutput as Output};
use crate::{Context, Error};

pub(crate) async fn describe_key(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("DescribeKey");
    let key = ctx
        .store
        .read(|at| request.key(at, input.key_id.as_str()))
        .await?;
    let available = ctx.is_available(&key)?;
    Ok(Output {
        key_metadata: Some(metadata(&key, available)?),
    })
}
