//! Creates repositories implicitly, from templates.

use ecru_model::{
    EncryptionType, ImageTagMutability, RCTAppliedFor as AppliedFor, RepositoryName, RepositoryPolicyText,
    Scope,
};
use ecru_store::{Snapshot, StoreError, Tx};

use super::{Template, find};
use crate::access::Access;
use crate::quotas::Quotas;
use crate::records::encryption::Encryption;
use crate::records::repositories::{self, Repository};
use crate::records::resource_tags;
use crate::{Context, Error, lifecycle_policy, repository_policy};

/// The prefix of every name that no other prefix covers.
const ROOT: &str = "ROOT";

/// The repository of a push: the existing one, or a new one from a template for pushes.
pub(crate) fn repository_to_push(
    tx: &Tx<'_>,
    access: &Access,
    name: &RepositoryName,
    quotas: &Quotas,
) -> Result<Repository, Error> {
    match find_to_push(tx, access, name)? {
        Some(repository) => Ok(repository),
        None => create_repository(tx, access, name, AppliedFor::CreateOnPush, quotas),
    }
}

/// Returns the error of a refused push. A missing repository that would not be created is reported first.
pub(crate) async fn refuse_push(
    ctx: &Context,
    access: &Access,
    name: &RepositoryName,
    refusal: Error,
) -> Error {
    match ctx.store.read(|at| find_to_push(at, access, name)).await {
        Ok(_) => refusal,
        Err(error) => error,
    }
}

/// The existing repository. None if a template for pushes would create it.
fn find_to_push(
    at: &Snapshot<'_>,
    access: &Access,
    name: &RepositoryName,
) -> Result<Option<Repository>, Error> {
    let repository = access.find_repository(at, name)?;
    if repository.is_none() && find_for(at, &access.scope, name, AppliedFor::CreateOnPush)?.is_none() {
        return Err(repositories::not_found(&access.scope, name));
    }
    Ok(repository)
}

/// Creates a missing repository by the template that covers its name, else with all defaults. The caller
/// needs permission to create it, and to set the tags of the template.
pub(crate) fn create_repository(
    tx: &Tx<'_>,
    access: &Access,
    name: &RepositoryName,
    applied_for: AppliedFor,
    quotas: &Quotas,
) -> Result<Repository, Error> {
    let scope = &access.scope;
    let template = find_for(tx, scope, name, applied_for)?;
    let tagged = template
        .as_ref()
        .is_some_and(|template| !template.resource_tags.is_empty());
    let creating = access.clone().and("CreateRepository");
    let creating = if tagged {
        creating.and("TagResource")
    } else {
        creating
    };
    creating.find_repository(tx, name)?;
    quotas.take(tx, scope, &repositories::HELD)?;

    let mut repository = Repository {
        id: 0,
        scope: scope.clone(),
        name: name.clone(),
        created_at: access.now(),
        tag_mutability: ImageTagMutability::Mutable,
        exclusion_filters: Vec::new(),
        scan_on_push: false,
        encryption: Encryption::default(),
    };
    let Some(template) = template else {
        repository.id = repositories::insert(tx, &repository)?;
        return Ok(repository);
    };
    if template.needs_role() && template.custom_role_arn.is_none() {
        // [unknown] what ECR reports to the client; the repository does not exist.
        tracing::warn!(
            prefix = template.prefix.as_str(),
            "a creation template with resource tags or a KMS key creates no repository without `customRoleArn`"
        );
        return Err(repositories::not_found(scope, name));
    }
    repository.tag_mutability = template.tag_mutability;
    repository.encryption = template.encryption(scope)?;
    repository.exclusion_filters = template.exclusion_filters;
    repository.id = repositories::insert(tx, &repository)?;

    let tags = template.resource_tags.into_iter().map(|tag| (tag.key, tag.value));
    resource_tags::save(tx, repository.id, &tags.collect())?;
    let policy = template
        .repository_policy
        .as_ref()
        .map(RepositoryPolicyText::as_str);
    repository_policy::save(tx, &repository, policy)?;
    if let Some(policy) = &template.lifecycle_policy {
        let policy = lifecycle_policy::accept_stored(policy.as_str())?;
        lifecycle_policy::save(tx, &repository, &policy, access.now())?;
    }
    Ok(repository)
}

impl Template {
    /// The service's own role may neither use keys of customers nor set tags.
    fn needs_role(&self) -> bool {
        !self.resource_tags.is_empty() || self.encryption_type != EncryptionType::Aes256
    }
}

/// The template with the longest prefix among those for this purpose.
fn find_for(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &RepositoryName,
    applied_for: AppliedFor,
) -> Result<Option<Template>, StoreError> {
    for prefix in prefixes(name.as_str()).chain([ROOT]) {
        if let Some(template) = find(at, scope, prefix)?
            && template.applied_for.contains(&applied_for)
        {
            return Ok(Some(template));
        }
    }
    Ok(None)
}

/// The names above a name, the longest first.
pub(crate) fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    let above = |name: &str| name.rfind('/').unwrap_or_default();
    std::iter::successors(name.get(..above(name)), move |prefix| prefix.get(..above(prefix)))
        .take_while(|prefix| !prefix.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_above_is_a_prefix() {
        assert_eq!(prefixes("a").count(), 0);
        assert_eq!(prefixes("a/b").collect::<Vec<_>>(), ["a"]);
        assert_eq!(
            prefixes("a/bb/c-d/e").collect::<Vec<_>>(),
            ["a/bb/c-d", "a/bb", "a"]
        );
    }
}
