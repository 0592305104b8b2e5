//! `CreateRepository`: a new, empty repository with its settings and resource tags.

use ecru_model::{
    CreateRepositoryInput as Input, CreateRepositoryOutput as Output, EncryptionConfiguration,
    EncryptionType, ErrorCode, ImageTagMutability, RepositoryName, Scope,
};

use super::{Encryption, Repository, accept_filters, insert};
use crate::{Context, Error, registry_settings, tagging};

pub async fn create_repository(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("CreateRepository", input.registry_id.as_ref());
    let tag_mutability = input.image_tag_mutability.unwrap_or(ImageTagMutability::Mutable);
    let mut repository = Repository {
        id: 0,
        created_at: ctx.clock.now(),
        tag_mutability,
        exclusion_filters: accept_filters(tag_mutability, input.image_tag_mutability_exclusion_filters)?,
        scan_on_push: input
            .image_scanning_configuration
            .and_then(|configuration| configuration.scan_on_push)
            .unwrap_or(false),
        encryption: accept_encryption(&access.scope, input.encryption_configuration)?,
        name: input.repository_name,
        scope: access.scope.clone(),
    };
    let tags = tagging::accept(input.tags.unwrap_or_default())?;
    let access = if tags.is_empty() {
        access
    } else {
        access.and("TagResource")
    };

    let stored = repository.clone();
    repository.id = ctx
        .store
        .write(move |tx| {
            if access.find_repository(tx, &stored.name)?.is_some() {
                return Err(already_exists(&stored.scope, &stored.name));
            }
            registry_settings::check_repository_quota(tx, &stored.scope)?;
            let id = insert(tx, &stored)?;
            tagging::save(tx, id, &tags)?;
            Ok::<_, Error>(id)
        })
        .await?;

    Ok(Output {
        repository: Some(repository.describe(ctx)),
    })
}

/// KMS without a key means the account's own key for ECR; a key is kept as its ARN.
fn accept_encryption(scope: &Scope, given: Option<EncryptionConfiguration>) -> Result<Encryption, Error> {
    let Some(given) = given else {
        return Ok(Encryption {
            kind: EncryptionType::Aes256,
            kms_key: None,
        });
    };
    let key = given.kms_key.as_ref().map(ecru_model::KmsKey::as_str);
    match given.encryption_type {
        EncryptionType::Aes256 if key.is_some() => Err(Error::parameter(
            "encryptionConfiguration",
            "kmsKey can only be specified when encryptionType is KMS or KMS_DSSE",
        )),
        EncryptionType::Aes256 => Ok(Encryption {
            kind: EncryptionType::Aes256,
            kms_key: None,
        }),
        kind => {
            let arn = kms_arn(scope, key.unwrap_or("alias/aws/ecr"))?;
            Ok(Encryption {
                kind,
                kms_key: Some(arn),
            })
        }
    }
}

/// The ARN of a key given by ARN, id or alias. Keys of another region cannot serve a repository.
fn kms_arn(scope: &Scope, key: &str) -> Result<String, Error> {
    let Scope { registry_id, region } = scope;
    let Some(rest) = key.strip_prefix("arn:") else {
        let resource = if key.starts_with("alias/") {
            key.to_owned()
        } else {
            format!("key/{key}")
        };
        let partition = region.partition();
        return Ok(format!("arn:{partition}:kms:{region}:{registry_id}:{resource}"));
    };
    let mut parts = rest.splitn(5, ':').skip(1);
    let regional = parts.next() == Some("kms") && parts.next() == Some(region.as_str());
    let account = parts
        .next()
        .is_some_and(|account| ecru_model::RegistryId::parse(account).is_ok());
    let resource = parts
        .next()
        .is_some_and(|name| name.starts_with("key/") || name.starts_with("alias/"));
    if regional && account && resource {
        return Ok(key.to_owned());
    }
    let message = format!("The KMS key '{key}' is not a key of the region {region}");
    Err(
        Error::new(ErrorCode::KmsException, message).with_detail(crate::Detail::Kms {
            error: "NotFoundException".to_owned(),
        }),
    )
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
