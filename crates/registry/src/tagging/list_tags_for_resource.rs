//! `ListTagsForResource`: the resource tags of a repository.

use ecru_model::{ListTagsForResourceInput as Input, ListTagsForResourceOutput as Output};

use super::resource;
use crate::records::resource_tags::list;
use crate::{Context, Error};

pub async fn list_tags_for_resource(ctx: &Context, input: Input) -> Result<Output, Error> {
    let (access, name) = resource(ctx, &input.resource_arn, "ListTagsForResource")?;

    ctx.store
        .read(|at| {
            let repository = access.repository(at, &name)?;
            Ok(Output {
                tags: Some(list(at, repository.id)?),
            })
        })
        .await
}
