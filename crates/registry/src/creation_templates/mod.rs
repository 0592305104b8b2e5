//! Creation templates: the settings of repositories that are created implicitly.

mod create_repository_creation_template;
mod delete_repository_creation_template;
mod describe_repository_creation_templates;
mod repository;
mod settings;
mod update_repository_creation_template;

use ecru_model::{
    CustomRoleArn, EncryptionConfigurationForRepositoryCreationTemplate as EncryptionConfiguration,
    EncryptionType, ErrorCode, ImageTagMutability, KmsKeyForRepositoryCreationTemplate as KmsKey,
    LifecyclePolicyTextForRepositoryCreationTemplate as LifecyclePolicyText, Prefix,
    RCTAppliedFor as AppliedFor, RepositoryCreationTemplate, RepositoryPolicyText,
    RepositoryTemplateDescription as Description, Scope, Tag, Timestamp,
};
use ecru_platform::Page;
use ecru_platform::paging::{Filling, Room};
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};

use crate::Error;
use crate::quotas::{Held, Quota};
use crate::records::repositories::describe_filters;

pub use create_repository_creation_template::create_repository_creation_template;
pub use delete_repository_creation_template::delete_repository_creation_template;
pub use describe_repository_creation_templates::describe_repository_creation_templates;
pub(crate) use repository::{create_repository, prefixes, refuse_push, repository_to_push};
pub use update_repository_creation_template::update_repository_creation_template;

const HELD: Held = Held {
    quota: Quota::CreationTemplatesPerRegistry,
    things: "repository creation templates",
    counter: "creation-templates",
};

/// A template as it is stored.
#[derive(Debug, Clone)]
struct Template {
    /// As the client sent it.
    prefix: Prefix,
    created_at: Timestamp,
    updated_at: Timestamp,
    applied_for: Vec<AppliedFor>,
    description: Option<Description>,
    encryption_type: EncryptionType,
    kms_key: Option<KmsKey>,
    tag_mutability: ImageTagMutability,
    exclusion_filters: Vec<String>,
    resource_tags: Vec<Tag>,
    /// No role is assumed here. But without it, a template with resource tags or a KMS key creates nothing, as in ECR.
    custom_role_arn: Option<CustomRoleArn>,
    repository_policy: Option<RepositoryPolicyText>,
    lifecycle_policy: Option<LifecyclePolicyText>,
}

const FIND: &str =
    "SELECT given_prefix, created_at, updated_at, applied_for, description, encryption_type, kms_key, tag_mutability,
            exclusion_filters, resource_tags, custom_role_arn, repository_policy, lifecycle_policy
     FROM creation_templates WHERE account = ?1 AND region = ?2 AND prefix = ?3";

const LIST: &str =
    "SELECT given_prefix, created_at, updated_at, applied_for, description, encryption_type, kms_key, tag_mutability,
            exclusion_filters, resource_tags, custom_role_arn, repository_policy, lifecycle_policy
     FROM creation_templates WHERE account = ?1 AND region = ?2 AND prefix > ?3 ORDER BY prefix LIMIT ?4";

/// A prefix is treated as if it ended in a slash, whether it does or not.
fn key(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

fn find(at: &Snapshot<'_>, scope: &Scope, key: &str) -> Result<Option<Template>, StoreError> {
    let key = [scope.registry_id.as_str(), scope.region.as_str(), key].map(Value::Text);
    at.find(FIND, &key, Template::from_row)
}

fn load(at: &Snapshot<'_>, scope: &Scope, prefix: &Prefix) -> Result<Template, Error> {
    find(at, scope, key(prefix.as_str()))?.ok_or_else(|| not_found(scope, prefix))
}

/// A page of templates in the order of their prefixes, from the one after `after`.
fn list(
    at: &Snapshot<'_>,
    scope: &Scope,
    after: &str,
    room: &Room,
) -> Result<Page<Template, String>, StoreError> {
    let parameters = [
        Value::Text(scope.registry_id.as_str()),
        Value::Text(scope.region.as_str()),
        Value::Text(after),
        Value::Integer(i64::from(room.rows()) + 1),
    ];
    let mut filling = Filling::new(room);
    at.each(LIST, &parameters, &mut |row| {
        let template = Template::from_row(row)?;
        Ok(filling.push(template.text_bytes(), template))
    })?;
    Ok(filling.page_by(|last| key(last.prefix.as_str()).to_owned()))
}

fn save(tx: &Tx<'_>, scope: &Scope, template: &Template) -> Result<(), StoreError> {
    let applied_for = template
        .applied_for
        .iter()
        .map(|one| one.as_str())
        .collect::<Vec<_>>();
    let tags = template.resource_tags.iter().map(|tag| (&tag.key, &tag.value));
    let tags = serde_json::to_string(&tags.collect::<Vec<_>>());
    let filters = template.exclusion_filters.join("\n");
    let parameters = [
        Value::Text(scope.registry_id.as_str()),
        Value::Text(scope.region.as_str()),
        Value::Text(key(template.prefix.as_str())),
        Value::Text(template.prefix.as_str()),
        Value::Integer(template.created_at.as_millis()),
        Value::Integer(template.updated_at.as_millis()),
        Value::Text(&applied_for.join(" ")),
        Value::from(template.description.as_ref().map(Description::as_str)),
        Value::Text(template.encryption_type.as_str()),
        Value::from(template.kms_key.as_ref().map(KmsKey::as_str)),
        Value::Text(template.tag_mutability.as_str()),
        Value::from(Some(filters.as_str()).filter(|filters| !filters.is_empty())),
        Value::Text(&stored(tags)?),
        Value::from(template.custom_role_arn.as_ref().map(CustomRoleArn::as_str)),
        Value::from(
            template
                .repository_policy
                .as_ref()
                .map(RepositoryPolicyText::as_str),
        ),
        Value::from(
            template
                .lifecycle_policy
                .as_ref()
                .map(LifecyclePolicyText::as_str),
        ),
    ];
    remove(tx, scope, &template.prefix)?;
    tx.execute(
        "INSERT INTO creation_templates (account, region, prefix, given_prefix, created_at, updated_at, applied_for,
             description, encryption_type, kms_key, tag_mutability, exclusion_filters, resource_tags, custom_role_arn,
             repository_policy, lifecycle_policy)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        &parameters,
    )?;
    Ok(())
}

fn remove(tx: &Tx<'_>, scope: &Scope, prefix: &Prefix) -> Result<(), StoreError> {
    let key = [
        scope.registry_id.as_str(),
        scope.region.as_str(),
        key(prefix.as_str()),
    ]
    .map(Value::Text);
    let removed = tx.execute(
        "DELETE FROM creation_templates WHERE account = ?1 AND region = ?2 AND prefix = ?3",
        &key,
    )?;
    if removed == 1 {
        HELD.give_back(tx, scope)?;
    }
    Ok(())
}

pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM creation_templates WHERE account = ?1 OR ?1 IS NULL",
        &[Value::from(account)],
    )?;
    Ok(())
}

impl Template {
    /// The length of the texts that may be long.
    fn text_bytes(&self) -> usize {
        let policies = [
            self.repository_policy.as_ref().map(|text| text.as_str().len()),
            self.lifecycle_policy.as_ref().map(|text| text.as_str().len()),
            self.kms_key.as_ref().map(|text| text.as_str().len()),
            self.custom_role_arn.as_ref().map(|text| text.as_str().len()),
            self.description.as_ref().map(|text| text.as_str().len()),
        ];
        let tags = self
            .resource_tags
            .iter()
            .map(|tag| tag.key.len() + tag.value.len());
        let filters = self.exclusion_filters.iter().map(String::len);
        self.prefix.as_str().len()
            + policies
                .into_iter()
                .flatten()
                .chain(tags)
                .chain(filters)
                .sum::<usize>()
    }

    fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        let applied_for = row.text(3)?.split(' ').map(|one| stored(AppliedFor::parse(one)));
        let tags = stored(serde_json::from_str::<Vec<(String, String)>>(row.text(9)?))?;
        Ok(Self {
            prefix: stored(Prefix::parse(row.text(0)?))?,
            created_at: Timestamp::from_millis(row.integer(1)?),
            updated_at: Timestamp::from_millis(row.integer(2)?),
            applied_for: applied_for.collect::<Result<_, _>>()?,
            description: row
                .optional_text(4)?
                .map(|text| stored(Description::parse(text)))
                .transpose()?,
            encryption_type: stored(EncryptionType::parse(row.text(5)?))?,
            kms_key: row
                .optional_text(6)?
                .map(|text| stored(KmsKey::parse(text)))
                .transpose()?,
            tag_mutability: stored(ImageTagMutability::parse(row.text(7)?))?,
            exclusion_filters: match row.optional_text(8)? {
                Some(filters) => filters.split('\n').map(str::to_owned).collect(),
                None => Vec::new(),
            },
            resource_tags: tags.into_iter().map(|(key, value)| Tag { key, value }).collect(),
            custom_role_arn: row
                .optional_text(10)?
                .map(|text| stored(CustomRoleArn::parse(text)))
                .transpose()?,
            repository_policy: row
                .optional_text(11)?
                .map(|text| stored(RepositoryPolicyText::parse(text)))
                .transpose()?,
            lifecycle_policy: row
                .optional_text(12)?
                .map(|text| stored(LifecyclePolicyText::parse(text)))
                .transpose()?,
        })
    }

    /// The template in the form of ECR's descriptions.
    fn describe(self) -> RepositoryCreationTemplate {
        RepositoryCreationTemplate {
            prefix: Some(self.prefix),
            description: self.description,
            encryption_configuration: Some(EncryptionConfiguration {
                encryption_type: self.encryption_type,
                kms_key: self.kms_key,
            }),
            resource_tags: (!self.resource_tags.is_empty()).then_some(self.resource_tags),
            image_tag_mutability: Some(self.tag_mutability),
            image_tag_mutability_exclusion_filters: describe_filters(&self.exclusion_filters),
            repository_policy: self.repository_policy,
            lifecycle_policy: self.lifecycle_policy,
            applied_for: Some(self.applied_for),
            custom_role_arn: self.custom_role_arn,
            created_at: Some(self.created_at),
            updated_at: Some(self.updated_at),
        }
    }
}

/// [unknown] ECR's wording.
fn not_found(scope: &Scope, prefix: &Prefix) -> Error {
    Error::new(
        ErrorCode::TemplateNotFoundException,
        format!(
            "The repository creation template with prefix '{prefix}' does not exist in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
