//! `TagResource`: adds resource tags to a repository, or changes their values.

use ecru_model::{TagResourceInput as Input, TagResourceOutput as Output};

use super::resource;
use crate::records::resource_tags::{accept, save};
use crate::{Context, Error};

pub async fn tag_resource(ctx: &Context, input: Input) -> Result<Output, Error> {
    let (access, name) = resource(ctx, &input.resource_arn, "TagResource")?;
    let tags = accept(input.tags)?;
    let access = access.giving(&tags);

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            save(tx, repository.id, &tags)?;
            Ok(Output {})
        })
        .await
}
