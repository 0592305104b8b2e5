//! A valid input for each operation, and the inputs derived from it.

use ecru_model::Operation;
use serde_json::{Value, json};

use crate::api::ACCOUNT;
use crate::content::{ABSENT, Image, completion, part, put};

pub(crate) const ZERO_ID: &str = "00000000-0000-0000-0000-000000000000";
const ARN: &str = "arn:aws:ecr:us-east-1:000000000000:repository/demo";

/// An input with every required member, each valid for its shape.
#[expect(clippy::too_many_lines, reason = "an arm for each operation")]
pub(crate) fn valid(operation: Operation) -> Value {
    use Operation as O;

    let one_image = json!({ "repositoryName": "demo", "imageId": { "imageTag": "v1" } });
    let prefix = json!({ "ecrRepositoryPrefix": "hub" });
    match operation {
        O::BatchCheckLayerAvailability => json!({ "repositoryName": "demo", "layerDigests": [ABSENT] }),
        O::BatchDeleteImage | O::BatchGetImage => {
            json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] })
        }
        O::BatchGetRepositoryScanningConfiguration => json!({ "repositoryNames": ["demo"] }),
        O::CompleteLayerUpload => completion("demo", ZERO_ID, &[ABSENT]),
        O::CreatePullThroughCacheRule => {
            json!({ "ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "public.ecr.aws" })
        }
        O::CreateRepositoryCreationTemplate => json!({ "prefix": "team", "appliedFor": ["CREATE_ON_PUSH"] }),
        O::DeletePullThroughCacheRule | O::UpdatePullThroughCacheRule | O::ValidatePullThroughCacheRule => {
            prefix
        }
        O::DeleteRepositoryCreationTemplate | O::UpdateRepositoryCreationTemplate => {
            json!({ "prefix": "team" })
        }
        O::DeregisterPullTimeUpdateExclusion | O::RegisterPullTimeUpdateExclusion => {
            json!({ "principalArn": "arn:aws:iam::123456789012:role/reader" })
        }
        O::DescribeImageReplicationStatus
        | O::DescribeImageScanFindings
        | O::DescribeImageSigningStatus
        | O::StartImageScan => one_image,
        O::DescribeReplicationBackfillResults | O::StopReplicationBackfill => {
            json!({ "replicationBackfillId": ZERO_ID })
        }
        O::GetAccountSetting => json!({ "name": "BLOB_MOUNTING" }),
        O::GetDownloadUrlForLayer => json!({ "repositoryName": "demo", "layerDigest": ABSENT }),
        O::ListImageReferrers => json!({ "repositoryName": "demo", "subjectId": { "imageDigest": ABSENT } }),
        O::ListTagsForResource => json!({ "resourceArn": ARN }),
        O::PutAccountSetting => json!({ "name": "BLOB_MOUNTING", "value": "ENABLED" }),
        O::PutImage => put("demo", &Image::new(1).text(), Some("v1")),
        O::PutImageScanningConfiguration => {
            json!({ "repositoryName": "demo", "imageScanningConfiguration": { "scanOnPush": true } })
        }
        O::PutImageTagMutability => json!({ "repositoryName": "demo", "imageTagMutability": "IMMUTABLE" }),
        O::PutLifecyclePolicy => json!({ "repositoryName": "demo", "lifecyclePolicyText": " ".repeat(100) }),
        O::PutRegistryPolicy => json!({ "policyText": "{}" }),
        O::PutReplicationConfiguration => json!({ "replicationConfiguration": { "rules": [] } }),
        O::PutSigningConfiguration => json!({ "signingConfiguration": { "rules": [] } }),
        O::SetRepositoryPolicy => {
            let policy = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:*"}]}"#;
            json!({ "repositoryName": "demo", "policyText": policy })
        }
        O::StartReplicationBackfill => {
            json!({ "destination": { "region": "eu-west-1", "registryId": ACCOUNT } })
        }
        O::TagResource => json!({ "resourceArn": ARN, "tags": [{ "Key": "a", "Value": "b" }] }),
        O::UntagResource => json!({ "resourceArn": ARN, "tagKeys": ["a"] }),
        O::UpdateImageStorageClass => {
            json!({ "repositoryName": "demo", "imageId": { "imageTag": "v1" }, "targetStorageClass": "ARCHIVE" })
        }
        O::UploadLayerPart => part("demo", ZERO_ID, 0, b"x"),
        O::CreateRepository
        | O::DeleteLifecyclePolicy
        | O::DeleteRepository
        | O::DeleteRepositoryPolicy
        | O::DescribeImages
        | O::GetLifecyclePolicy
        | O::GetLifecyclePolicyPreview
        | O::GetRepositoryPolicy
        | O::InitiateLayerUpload
        | O::ListImages
        | O::StartLifecyclePolicyPreview => json!({ "repositoryName": "demo" }),
        O::DeleteRegistryPolicy
        | O::DeleteSigningConfiguration
        | O::DescribePullThroughCacheRules
        | O::DescribeRegistry
        | O::DescribeRepositories
        | O::DescribeRepositoryCreationTemplates
        | O::GetAuthorizationToken
        | O::GetRegistryPolicy
        | O::GetRegistryScanningConfiguration
        | O::GetSigningConfiguration
        | O::ListPullTimeUpdateExclusions
        | O::ListReplicationBackfills
        | O::PutRegistryScanningConfiguration => json!({}),
    }
}
