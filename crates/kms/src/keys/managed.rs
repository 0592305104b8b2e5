//! The default key of ECR gets its material when it is first used.

use crate::primitives::generate;
use crate::records::key::Key;
use crate::records::{key, material};
use crate::{Context, Error};

/// Makes the row and the material of a managed key, unless another request has made them meanwhile.
pub(crate) async fn make_material(ctx: &Context, key: Key) -> Result<(), Error> {
    let secret = generate::symmetric(&ctx.random)?;
    let wrapped = ctx.service.wrap((&key.scope, &key.id), 1, secret).await?;
    let now = ctx.clock.now();
    ctx.store
        .write(move |tx| {
            if key::insert(tx, &key, &wrapped.name)? {
                material::insert(tx, &key, &wrapped, now)?;
            }
            Ok(())
        })
        .await
}
