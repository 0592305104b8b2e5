//! `DeleteRepositoryCreationTemplate`: removes a template and returns it.

use ecru_model::{
    DeleteRepositoryCreationTemplateInput as Input, DeleteRepositoryCreationTemplateOutput as Output,
};

use super::{load, remove};
use crate::{Context, Error};

pub async fn delete_repository_creation_template(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DeleteRepositoryCreationTemplate", None);

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let template = load(tx, &access.scope, &input.prefix)?;
            remove(tx, &access.scope, &input.prefix)?;

            Ok(Output {
                registry_id: Some(access.scope.registry_id.clone()),
                repository_creation_template: Some(template.describe()),
            })
        })
        .await
}
