//! `UntagResource`: removes resource tags from a repository; a key that it does not have is no error.

use ecru_model::{UntagResourceInput as Input, UntagResourceOutput as Output};
use ecru_store::Value;

use super::resource;
use crate::records::resource_tags::check_key;
use crate::{Context, Error};

pub async fn untag_resource(ctx: &Context, input: Input) -> Result<Output, Error> {
    let (access, name) = resource(ctx, &input.resource_arn, "UntagResource")?;
    let keys = input.tag_keys;
    keys.iter().try_for_each(|key| check_key(key))?;
    let access = access.taking(&keys);

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            for key in &keys {
                tx.execute(
                    "DELETE FROM resource_tags WHERE repository_id = ?1 AND key = ?2",
                    &[Value::Integer(repository.id), Value::Text(key)],
                )?;
            }
            Ok(Output {})
        })
        .await
}
