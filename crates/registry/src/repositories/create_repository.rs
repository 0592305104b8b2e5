//! `CreateRepository`: creates an empty repository with its settings and resource tags.

use std::sync::Arc;

use ecru_model::{
    CreateRepositoryInput as Input, CreateRepositoryOutput as Output, ErrorCode, ImageTagMutability, KmsKey,
    RepositoryName, Scope,
};

use crate::records::encryption::Encryption;
use crate::records::repositories::{HELD, Repository, accept_filters, insert};
use crate::records::resource_tags;
use crate::{Context, Error};

pub async fn create_repository(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("CreateRepository", input.registry_id.as_ref());
    let tag_mutability = input.image_tag_mutability.unwrap_or(ImageTagMutability::Mutable);
    let repository = Repository {
        id: 0,
        created_at: ctx.clock.now(),
        tag_mutability,
        exclusion_filters: accept_filters(tag_mutability, input.image_tag_mutability_exclusion_filters)?,
        scan_on_push: input
            .image_scanning_configuration
            .and_then(|configuration| configuration.scan_on_push)
            .unwrap_or(false),
        encryption: match input.encryption_configuration {
            Some(given) => {
                let key = given.kms_key.as_ref().map(KmsKey::as_str);
                Encryption::accept(&access.scope, given.encryption_type, key)?
            }
            None => Encryption::default(),
        },
        name: input.repository_name,
        scope: access.scope.clone(),
    };
    let tags = resource_tags::accept(input.tags.unwrap_or_default())?;
    let access = if tags.is_empty() {
        access
    } else {
        access.and("TagResource").giving(&tags)
    };

    let quotas = ctx.configuration.quotas;
    let keys = Arc::clone(&ctx.ports.key_source);
    let repository = ctx
        .store
        .write(move |tx| {
            let mut stored = repository.clone();
            if access.find_repository(tx, &stored.name)?.is_some() {
                return Err(already_exists(&stored.scope, &stored.name));
            }
            stored.encryption = stored.encryption.resolve(tx, keys.as_ref(), &stored.scope)?;
            quotas.take(tx, &stored.scope, &HELD)?;
            stored.id = insert(tx, &stored)?;
            resource_tags::save(tx, stored.id, &tags)?;
            Ok::<_, Error>(stored)
        })
        .await?;

    Ok(Output {
        repository: Some(repository.describe(ctx)),
    })
}

fn already_exists(scope: &Scope, name: &RepositoryName) -> Error {
    Error::new(
        ErrorCode::RepositoryAlreadyExistsException,
        format!(
            "The repository with name '{name}' already exists in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
