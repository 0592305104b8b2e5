//! `UpdateRepositoryCreationTemplate`: changes the settings that are named; existing repositories keep theirs.

use ecru_model::{
    UpdateRepositoryCreationTemplateInput as Input, UpdateRepositoryCreationTemplateOutput as Output,
};

use super::{load, save};
use crate::{Context, Error};

pub async fn update_repository_creation_template(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("UpdateRepositoryCreationTemplate", None);
    let now = ctx.clock.now();

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let mut template = load(tx, &access.scope, &input.prefix)?;
            template.change(&access.scope, input.clone().into(), now)?;
            save(tx, &access.scope, &template)?;

            Ok(Output {
                registry_id: Some(access.scope.registry_id.clone()),
                repository_creation_template: Some(template.describe()),
            })
        })
        .await
}
