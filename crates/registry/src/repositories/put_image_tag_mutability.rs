//! `PutImageTagMutability`: sets whether tags in a repository may move to another image.

use ecru_model::{PutImageTagMutabilityInput as Input, PutImageTagMutabilityOutput as Output};

use crate::records::repositories::{accept_filters, describe_filters, save};
use crate::{Context, Error};

pub async fn put_image_tag_mutability(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutImageTagMutability", input.registry_id.as_ref());
    let setting = input.image_tag_mutability;
    let filters = accept_filters(setting, input.image_tag_mutability_exclusion_filters)?;
    let name = input.repository_name;

    ctx.store
        .write(move |tx| {
            let mut repository = access.repository(tx, &name)?;
            repository.tag_mutability = setting;
            repository.exclusion_filters.clone_from(&filters);
            save(tx, &repository)?;

            Ok(Output {
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
                image_tag_mutability: Some(setting),
                image_tag_mutability_exclusion_filters: describe_filters(&filters),
            })
        })
        .await
}
