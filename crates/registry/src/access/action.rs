//! The actions of the service, and which of them a policy can speak of.

use ecru_model::Operation;

use super::pattern;

/// What a policy is put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Repository,
    Registry,
}

/// Permissions of the service that are no operation of its API.
const WITHOUT_OPERATION: [&str; 2] = ["BatchImportUpstreamImage", "ReplicateImage"];

/// What a registry policy of scope V1 speaks of; whatever else it says has no effect.
const OF_SCOPE_V1: [&str; 3] = ["BatchImportUpstreamImage", "CreateRepository", "ReplicateImage"];

/// Whether a policy on `holder` may name this action, or some action by this pattern.
pub(super) fn is_known(text: &str, holder: Holder) -> bool {
    if text == "*" {
        return true;
    }
    let text = text.to_ascii_lowercase();
    let Some(wanted) = text.strip_prefix("ecr:") else {
        return false;
    };
    Operation::ALL
        .iter()
        .filter(|operation| is_held_by(**operation, holder))
        .map(|operation| operation.name())
        .chain(WITHOUT_OPERATION)
        .any(|action| pattern::matches(wanted, &action.to_ascii_lowercase()))
}

pub(super) fn is_of_scope_v1(action: &str) -> bool {
    OF_SCOPE_V1.contains(&action)
}

/// `GetAuthorizationToken` concerns no resource, so that only a policy of the caller's own could speak of it.
fn is_held_by(operation: Operation, holder: Holder) -> bool {
    match holder {
        Holder::Repository => concerns_repository(operation),
        Holder::Registry => operation != Operation::GetAuthorizationToken,
    }
}

/// Whether an operation works on one repository, or else on the registry as a whole.
fn concerns_repository(operation: Operation) -> bool {
    use Operation as O;
    match operation {
        O::CreatePullThroughCacheRule
        | O::CreateRepositoryCreationTemplate
        | O::DeletePullThroughCacheRule
        | O::DeleteRegistryPolicy
        | O::DeleteRepositoryCreationTemplate
        | O::DeleteSigningConfiguration
        | O::DeregisterPullTimeUpdateExclusion
        | O::DescribePullThroughCacheRules
        | O::DescribeRegistry
        | O::DescribeReplicationBackfillResults
        | O::DescribeRepositoryCreationTemplates
        | O::GetAccountSetting
        | O::GetAuthorizationToken
        | O::GetRegistryPolicy
        | O::GetRegistryScanningConfiguration
        | O::GetSigningConfiguration
        | O::ListPullTimeUpdateExclusions
        | O::ListReplicationBackfills
        | O::PutAccountSetting
        | O::PutRegistryPolicy
        | O::PutRegistryScanningConfiguration
        | O::PutReplicationConfiguration
        | O::PutSigningConfiguration
        | O::RegisterPullTimeUpdateExclusion
        | O::StartReplicationBackfill
        | O::StopReplicationBackfill
        | O::UpdatePullThroughCacheRule
        | O::UpdateRepositoryCreationTemplate
        | O::ValidatePullThroughCacheRule => false,
        O::BatchCheckLayerAvailability
        | O::BatchDeleteImage
        | O::BatchGetImage
        | O::BatchGetRepositoryScanningConfiguration
        | O::CompleteLayerUpload
        | O::CreateRepository
        | O::DeleteLifecyclePolicy
        | O::DeleteRepository
        | O::DeleteRepositoryPolicy
        | O::DescribeImageReplicationStatus
        | O::DescribeImageScanFindings
        | O::DescribeImageSigningStatus
        | O::DescribeImages
        | O::DescribeRepositories
        | O::GetDownloadUrlForLayer
        | O::GetLifecyclePolicy
        | O::GetLifecyclePolicyPreview
        | O::GetRepositoryPolicy
        | O::InitiateLayerUpload
        | O::ListImageReferrers
        | O::ListImages
        | O::ListTagsForResource
        | O::PutImage
        | O::PutImageScanningConfiguration
        | O::PutImageTagMutability
        | O::PutLifecyclePolicy
        | O::SetRepositoryPolicy
        | O::StartImageScan
        | O::StartLifecyclePolicyPreview
        | O::TagResource
        | O::UntagResource
        | O::UpdateImageStorageClass
        | O::UploadLayerPart => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, repository: bool, registry: bool) {
        assert_eq!(is_known(text, Holder::Repository), repository, "{text}");
        assert_eq!(is_known(text, Holder::Registry), registry, "{text}");
    }

    #[test]
    fn a_policy_names_actions_that_its_holder_knows() {
        check("*", true, true);
        check("ecr:*", true, true);
        check("ECR:putimage", true, true);
        check("ecr:Get*", true, true);
        check("ecr:?utImage", true, true);
        check("ecr:ReplicateImage", true, true);
        check("ecr:DescribeRegistry", false, true);
        check("ecr:*RegistryPolicy", false, true);
        check("ecr:GetAuthorizationToken", false, false);
        check("ecr:GetAuth*", false, false);
        check("ecr:NoSuchThing", false, false);
        check("s3:GetObject", false, false);
        check("PutImage", false, false);
        check("", false, false);
    }
}
