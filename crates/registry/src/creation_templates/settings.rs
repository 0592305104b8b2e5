//! The settings of a template in a request. They are checked when they are put, so that the template can always be applied.

use ecru_model::identity::is_role_of;
use ecru_model::{
    CreateRepositoryCreationTemplateInput, CustomRoleArn,
    EncryptionConfigurationForRepositoryCreationTemplate as EncryptionConfiguration, EncryptionType,
    ErrorCode, ImageTagMutability, ImageTagMutabilityExclusionFilter as ExclusionFilter,
    KmsKeyForRepositoryCreationTemplate as KmsKey,
    LifecyclePolicyTextForRepositoryCreationTemplate as LifecyclePolicyText, Prefix,
    RCTAppliedFor as AppliedFor, RepositoryPolicyText, RepositoryTemplateDescription as Description, Scope,
    Tag, Timestamp, UpdateRepositoryCreationTemplateInput,
};
use ecru_store::stored;

use super::Template;

use crate::access::{Holder, parse_incoming};
use crate::records::encryption::Encryption;
use crate::records::repositories::accept_filters;
use crate::records::resource_tags;
use crate::{Error, lifecycle_policy};

/// The settings that a request names; the others stay unchanged.
pub(super) struct Settings {
    description: Option<Description>,
    encryption: Option<EncryptionConfiguration>,
    resource_tags: Option<Vec<Tag>>,
    tag_mutability: Option<ImageTagMutability>,
    exclusion_filters: Option<Vec<ExclusionFilter>>,
    repository_policy: Option<RepositoryPolicyText>,
    lifecycle_policy: Option<LifecyclePolicyText>,
    applied_for: Option<Vec<AppliedFor>>,
    custom_role_arn: Option<CustomRoleArn>,
}

impl From<CreateRepositoryCreationTemplateInput> for Settings {
    fn from(input: CreateRepositoryCreationTemplateInput) -> Self {
        Self {
            description: input.description,
            encryption: input.encryption_configuration,
            resource_tags: input.resource_tags,
            tag_mutability: input.image_tag_mutability,
            exclusion_filters: input.image_tag_mutability_exclusion_filters,
            repository_policy: input.repository_policy,
            lifecycle_policy: input.lifecycle_policy,
            applied_for: Some(input.applied_for),
            custom_role_arn: input.custom_role_arn,
        }
    }
}

impl From<UpdateRepositoryCreationTemplateInput> for Settings {
    fn from(input: UpdateRepositoryCreationTemplateInput) -> Self {
        Self {
            description: input.description,
            encryption: input.encryption_configuration,
            resource_tags: input.resource_tags,
            tag_mutability: input.image_tag_mutability,
            exclusion_filters: input.image_tag_mutability_exclusion_filters,
            repository_policy: input.repository_policy,
            lifecycle_policy: input.lifecycle_policy,
            applied_for: input.applied_for,
            custom_role_arn: input.custom_role_arn,
        }
    }
}

impl Template {
    pub(super) fn new(prefix: Prefix, now: Timestamp) -> Self {
        Self {
            prefix,
            created_at: now,
            updated_at: now,
            applied_for: Vec::new(),
            description: None,
            encryption_type: EncryptionType::Aes256,
            kms_key: None,
            tag_mutability: ImageTagMutability::Mutable,
            exclusion_filters: Vec::new(),
            resource_tags: Vec::new(),
            custom_role_arn: None,
            repository_policy: None,
            lifecycle_policy: None,
        }
    }

    pub(super) fn change(&mut self, scope: &Scope, settings: Settings, now: Timestamp) -> Result<(), Error> {
        self.updated_at = now;
        if let Some(applied_for) = settings.applied_for {
            self.applied_for = accept_applied_for(applied_for)?;
        }
        if settings.description.is_some() {
            self.description = settings.description;
        }
        if let Some(encryption) = settings.encryption {
            self.encrypt(scope, encryption)?;
        }
        if let Some(tags) = settings.resource_tags {
            self.resource_tags = accept_tags(tags)?;
        }
        match (settings.tag_mutability, settings.exclusion_filters) {
            (None, None) => {}
            (setting, filters) => {
                self.tag_mutability = setting.unwrap_or(self.tag_mutability);
                self.exclusion_filters = accept_filters(self.tag_mutability, filters)?;
            }
        }
        if let Some(policy) = settings.repository_policy {
            self.repository_policy = accept_repository_policy(scope, policy.as_str())?;
        }
        if let Some(policy) = settings.lifecycle_policy {
            self.lifecycle_policy = accept_lifecycle_policy(policy.as_str())?;
        }
        if let Some(role) = settings.custom_role_arn {
            self.custom_role_arn = Some(accept_role(scope, role)?);
        }
        Ok(())
    }

    fn encrypt(&mut self, scope: &Scope, given: EncryptionConfiguration) -> Result<(), Error> {
        let key = given.kms_key.filter(|key| !key.as_str().is_empty());
        self.encryption_type = given.encryption_type;
        self.kms_key = key;
        Encryption::accept(scope, self.encryption_type, self.kms_key())
            .map_err(|error| match error.code {
                // No operation on templates has an error for problems with a key.
                ErrorCode::KmsException => Error::parameter("encryptionConfiguration", &error.message),
                _ => error,
            })
            .map(drop)
    }

    /// The encryption of a repository from this template.
    pub(super) fn encryption(&self, scope: &Scope) -> Result<Encryption, Error> {
        Encryption::of_stored(scope, self.encryption_type, self.kms_key())
    }

    fn kms_key(&self) -> Option<&str> {
        self.kms_key.as_ref().map(KmsKey::as_str)
    }
}

/// [unknown] ECR's wording.
fn accept_role(scope: &Scope, role: CustomRoleArn) -> Result<CustomRoleArn, Error> {
    if is_role_of(scope, role.as_str()) {
        return Ok(role);
    }
    Err(Error::parameter(
        "customRoleArn",
        "The custom role must be a role of the account and partition of the registry",
    ))
}

fn accept_applied_for(given: Vec<AppliedFor>) -> Result<Vec<AppliedFor>, Error> {
    let mut distinct = Vec::new();
    for one in given {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    if distinct.is_empty() {
        return Err(Error::parameter(
            "appliedFor",
            "Member must have length greater than or equal to 1",
        ));
    }
    Ok(distinct)
}

/// Checks tags by the rules for tags of repositories, and keeps their order.
fn accept_tags(tags: Vec<Tag>) -> Result<Vec<Tag>, Error> {
    let accepted = resource_tags::accept(tags.clone())
        .map_err(|error| Error::parameter("resourceTags", &error.message))?;
    let mut ordered = Vec::with_capacity(accepted.len());
    for tag in tags {
        // If a key occurs twice, its last value counts.
        if accepted.get(&tag.key) == Some(&tag.value) && !ordered.contains(&tag) {
            ordered.push(tag);
        }
    }
    Ok(ordered)
}

/// The text as sent, with its rules in the order of their priorities. An empty text removes the policy.
fn accept_lifecycle_policy(text: &str) -> Result<Option<LifecyclePolicyText>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let accepted = lifecycle_policy::accept_as_given(text)?;
    Ok(Some(stored(LifecyclePolicyText::parse(accepted))?))
}

/// The text in the form in which policies are returned. An empty text removes the policy.
fn accept_repository_policy(scope: &Scope, text: &str) -> Result<Option<RepositoryPolicyText>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let accepted = parse_incoming(text, Holder::Repository, &scope.region)
        .and_then(|(_, text)| RepositoryPolicyText::parse(text).ok())
        .ok_or_else(|| Error::parameter("RepositoryPolicy", "Invalid repository policy provided"))?;
    Ok(Some(accepted))
}
