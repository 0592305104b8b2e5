//! The operations on repositories.

mod catalog;
mod create_repository;
mod delete_repository;
mod describe_repositories;
mod put_image_scanning_configuration;
mod put_image_tag_mutability;
mod regions;
pub(crate) mod removal;

use ecru_model as model;

use crate::Context;
use crate::records::repositories::{Repository, describe_filters};

pub use catalog::catalog;
pub use create_repository::create_repository;
pub use delete_repository::delete_repository;
pub use describe_repositories::describe_repositories;
pub use put_image_scanning_configuration::put_image_scanning_configuration;
pub use put_image_tag_mutability::put_image_tag_mutability;
pub use regions::hint_at_other_regions;

impl Repository {
    /// The repository in the form of ECR's descriptions.
    pub(crate) fn describe(&self, ctx: &Context) -> model::Repository {
        model::Repository {
            repository_arn: Some(self.arn()),
            registry_id: Some(self.scope.registry_id.clone()),
            repository_uri: Some(
                [
                    ctx.registry_authority(&self.scope).as_ref(),
                    "/",
                    self.name.as_str(),
                ]
                .concat(),
            ),
            created_at: Some(self.created_at),
            image_tag_mutability: Some(self.tag_mutability),
            image_tag_mutability_exclusion_filters: describe_filters(&self.exclusion_filters),
            image_scanning_configuration: Some(model::ImageScanningConfiguration {
                scan_on_push: Some(self.scan_on_push),
            }),
            encryption_configuration: Some(model::EncryptionConfiguration {
                encryption_type: self.encryption.kind,
                kms_key: self
                    .encryption
                    .kms_key
                    .as_deref()
                    .and_then(|key| model::KmsKey::parse(key).ok()),
            }),
            repository_name: Some(self.name.clone()),
        }
    }
}
