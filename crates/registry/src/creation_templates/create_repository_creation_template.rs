//! `CreateRepositoryCreationTemplate`: a new template for a prefix that has none.

use ecru_model::{
    CreateRepositoryCreationTemplateInput as Input, CreateRepositoryCreationTemplateOutput as Output,
    ErrorCode, Prefix, Scope,
};
use ecru_store::{Snapshot, Value};

use super::{Template, find, key, save};
use crate::registry_settings::Quota;
use crate::{Context, Error};

pub async fn create_repository_creation_template(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("CreateRepositoryCreationTemplate", None);
    let now = ctx.clock.now();
    let max = ctx.configuration.quotas.of(Quota::CreationTemplatesPerRegistry);

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let scope = &access.scope;
            let mut template = Template::new(input.prefix.clone(), now);
            template.change(scope, input.clone().into(), now)?;
            if find(tx, scope, key(input.prefix.as_str()))?.is_some() {
                return Err(already_exists(scope, &input.prefix));
            }
            check_quota(tx, scope, max)?;
            save(tx, scope, &template)?;

            Ok(Output {
                registry_id: Some(scope.registry_id.clone()),
                repository_creation_template: Some(template.describe()),
            })
        })
        .await
}

fn check_quota(at: &Snapshot<'_>, scope: &Scope, max: i64) -> Result<(), Error> {
    let full = at.find(
        "SELECT 1 FROM creation_templates WHERE account = ?1 AND region = ?2 LIMIT 1 OFFSET ?3",
        &[
            Value::Text(scope.registry_id.as_str()),
            Value::Text(scope.region.as_str()),
            Value::Integer(max - 1),
        ],
        |row| row.integer(0),
    )?;
    match full {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ErrorCode::LimitExceededException,
            format!(
                "The registry with id '{}' already has the maximum allowed number of repository creation templates \
                 which is '{max}'",
                scope.registry_id
            ),
        )),
    }
}

/// [unknown] as a sentence of the service.
fn already_exists(scope: &Scope, prefix: &Prefix) -> Error {
    Error::new(
        ErrorCode::TemplateAlreadyExistsException,
        format!(
            "The repository creation template with prefix '{prefix}' already exists in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
