//! Accounts and regions: each has its own registry, and access to another needs permission.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT};
use crate::content::{ABSENT, Image, completion, part, put};
use crate::inputs::ZERO_ID;

/// Every operation that takes a `registryId`: a valid input without it, the action that it needs, and whether
/// that action applies to a repository.
fn calls() -> Vec<(&'static str, Value, &'static str, bool)> {
    let named = json!({ "repositoryName": "demo" });
    let with = |member: &str, value: Value| {
        let mut input = named.clone();
        input[member] = value;
        input
    };
    let ids = with("imageIds", json!([{ "imageTag": "v1" }]));
    let on = |operation, input| (operation, input, operation, true);
    vec![
        on("CreateRepository", named.clone()),
        ("DescribeRepositories", json!({}), "DescribeRepositories", false),
        on(
            "PutImageTagMutability",
            with("imageTagMutability", json!("IMMUTABLE")),
        ),
        on(
            "PutImageScanningConfiguration",
            with("imageScanningConfiguration", json!({})),
        ),
        on("SetRepositoryPolicy", with("policyText", json!("{}"))),
        on("GetRepositoryPolicy", named.clone()),
        on("DeleteRepositoryPolicy", named.clone()),
        on(
            "BatchCheckLayerAvailability",
            with("layerDigests", json!([ABSENT])),
        ),
        on("InitiateLayerUpload", named.clone()),
        on("UploadLayerPart", part("demo", ZERO_ID, 0, b"x")),
        on("CompleteLayerUpload", completion("demo", ZERO_ID, &[ABSENT])),
        on("GetDownloadUrlForLayer", with("layerDigest", json!(ABSENT))),
        on("PutImage", put("demo", &Image::new(1).text(), None)),
        on("BatchGetImage", ids.clone()),
        on("DescribeImages", ids.clone()),
        on("BatchDeleteImage", ids),
        on("ListImages", named.clone()),
        (
            "ListImageReferrers",
            with("subjectId", json!({ "imageDigest": ABSENT })),
            "BatchGetImage",
            true,
        ),
        on("DeleteRepository", with("force", json!(true))),
    ]
}

#[tokio::test]
async fn a_registry_of_another_account_is_out_of_reach() {
    let api = Api::new();
    let stranger = api.by_account(OTHER_ACCOUNT);
    for there in [false, true] {
        if there {
            api.create("demo").await;
            api.push("demo", Some("v1"), &Image::new(1)).await;
        }
        for (operation, mut input, action, on_repository) in calls() {
            input["registryId"] = json!(ACCOUNT);
            let resource = if on_repository { "demo" } else { "*" };
            // The answer is the same whether or not the repository exists.
            stranger.call(operation, input).await.refuses(
                ErrorCode::AccessDeniedException,
                &format!(
                    "User: arn:aws:iam::{OTHER_ACCOUNT}:root is not authorized to perform: ecr:{action} on resource: \
                     arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{resource} because no resource-based policy allows the \
                     ecr:{action} action"
                ),
            );
        }
    }
    assert_eq!(api.tags("demo").await.len(), 1);
    assert_eq!(
        stranger.ok("DescribeRepositories", json!({})).await,
        json!({ "repositories": [] })
    );
}

#[tokio::test]
async fn the_own_registry_may_be_named() {
    let api = Api::new().by_account(OTHER_ACCOUNT);
    for (operation, mut input, ..) in calls() {
        input["registryId"] = json!(OTHER_ACCOUNT);
        let answer = api.call(operation, input).await;
        assert_ne!(answer.error(), Some("AccessDeniedException"), "{operation}");
        assert!(answer.status < 500, "{operation}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_registry_of_another_partition_is_named_in_its_own() {
    let api = Api::new().in_region("cn-north-1").by_account(OTHER_ACCOUNT);
    let answer = api
        .call("DescribeRepositories", json!({ "registryId": ACCOUNT }))
        .await;
    assert!(
        answer
            .message()
            .contains(&format!("arn:aws-cn:ecr:cn-north-1:{ACCOUNT}:repository/*"))
    );
}

#[tokio::test]
async fn the_same_names_in_other_accounts_and_regions_are_other_repositories() {
    let api = Api::new();
    let callers = [
        api.clone(),
        api.by_account(OTHER_ACCOUNT),
        api.in_region("eu-west-1"),
        api.by_account(OTHER_ACCOUNT).in_region("eu-west-1"),
    ];
    let mut digests = Vec::new();
    for (seed, caller) in callers.iter().enumerate() {
        caller.create("demo").await;
        digests.push(caller.push("demo", Some("v1"), &Image::new(seed)).await);
    }
    for (seed, caller) in callers.iter().enumerate() {
        let described = caller.ok("DescribeRepositories", json!({})).await;
        assert_eq!(described["repositories"].as_array().unwrap().len(), 1);
        assert_eq!(
            caller.tags("demo").await,
            [("v1".to_owned(), digests[seed].clone())]
        );
        let ids = json!({ "repositoryName": "demo", "imageIds": digests.iter().map(|digest| {
            json!({ "imageDigest": digest })
        }).collect::<Vec<_>>() });
        let got = caller.ok("BatchGetImage", ids).await;
        assert_eq!(got["images"].as_array().unwrap().len(), 1);
        assert_eq!(got["failures"].as_array().unwrap().len(), 3);
    }
    callers[0]
        .ok(
            "DeleteRepository",
            json!({ "repositoryName": "demo", "force": true }),
        )
        .await;
    api.run_due().await;
    for (seed, caller) in callers.iter().enumerate().skip(1) {
        assert_eq!(
            caller.tags("demo").await,
            [("v1".to_owned(), digests[seed].clone())]
        );
        let layers = json!({ "repositoryName": "demo", "layerDigests": [Image::new(seed).layer_digest()] });
        let checked = caller.ok("BatchCheckLayerAvailability", layers).await;
        assert_eq!(checked["layers"][0]["layerAvailability"], "AVAILABLE");
    }
}

#[tokio::test]
async fn a_key_that_is_no_account_means_the_default_one() {
    let api = Api::new();
    for key in ["AKIAIOSFODNN7EXAMPLE", "test", "12345678901", "1234567890123"] {
        let described = api.by_account(key).ok("DescribeRegistry", json!({})).await;
        assert_eq!(described["registryId"], ACCOUNT, "{key}");
    }
}
