//! `CreateRepositoryCreationTemplate`: creates a template for a prefix that has none.

use ecru_model::{
    CreateRepositoryCreationTemplateInput as Input, CreateRepositoryCreationTemplateOutput as Output,
    ErrorCode, Prefix, Scope,
};

use super::{HELD, Template, find, key, save};
use crate::{Context, Error};

pub async fn create_repository_creation_template(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("CreateRepositoryCreationTemplate", None);
    let now = ctx.clock.now();
    let quotas = ctx.configuration.quotas;

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let scope = &access.scope;
            let mut template = Template::new(input.prefix.clone(), now);
            template.change(scope, input.clone().into(), now)?;
            if find(tx, scope, key(input.prefix.as_str()))?.is_some() {
                return Err(already_exists(scope, &input.prefix));
            }
            quotas.take(tx, scope, &HELD)?;
            save(tx, scope, &template)?;

            Ok(Output {
                registry_id: Some(scope.registry_id.clone()),
                repository_creation_template: Some(template.describe()),
            })
        })
        .await
}

/// [unknown] ECR's wording.
fn already_exists(scope: &Scope, prefix: &Prefix) -> Error {
    Error::new(
        ErrorCode::TemplateAlreadyExistsException,
        format!(
            "The repository creation template with prefix '{prefix}' already exists in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
