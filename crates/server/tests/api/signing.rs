//! The signing configuration, and its effect on pushed images.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT, pretty};
use crate::content::{ABSENT, Image, OCI_MANIFEST, index, put};
use crate::repositories::absent;

const PROFILE: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/demo_profile";
const OTHER_PROFILE: &str = "arn:aws:signer:us-east-1:111122223333:/signing-profiles/theirs";

fn configuration(rules: &Value) -> Value {
    json!({ "signingConfiguration": { "rules": rules } })
}

fn rule(profile: &str, filters: &[&str]) -> Value {
    let filters = filters
        .iter()
        .map(|filter| json!({ "filter": filter, "filterType": "WILDCARD_MATCH" }))
        .collect::<Vec<_>>();
    let mut rule = json!({ "signingProfileArn": profile });
    if !filters.is_empty() {
        rule["repositoryFilters"] = json!(filters);
    }
    rule
}

/// The profiles that tried to sign an image, each with its result.
async fn statuses(api: &Api, repository: &str, digest: &str) -> Vec<(String, String)> {
    let input = json!({ "repositoryName": repository, "imageId": { "imageDigest": digest } });
    let described = api.ok("DescribeImageSigningStatus", input).await;
    let text = |status: &Value, member: &str| status[member].as_str().unwrap().to_owned();
    described["signingStatuses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|status| (text(status, "signingProfileArn"), text(status, "status")))
        .collect()
}

fn failed(profiles: &[&str]) -> Vec<(String, String)> {
    profiles
        .iter()
        .map(|profile| ((*profile).to_owned(), "FAILED".to_owned()))
        .collect()
}

#[tokio::test]
async fn a_configuration_comes_back_until_it_is_deleted() {
    let api = Api::new();
    let not_found = format!("Signing configuration does not exist in the registry with id '{ACCOUNT}'");
    for operation in ["GetSigningConfiguration", "DeleteSigningConfiguration"] {
        let answer = api.call(operation, json!({})).await;
        answer.refuses(ErrorCode::SigningConfigurationNotFoundException, &not_found);
    }

    let put = configuration(&json!([
        rule(OTHER_PROFILE, &["team/*", "*prod*"]),
        rule(PROFILE, &[])
    ]));
    assert_eq!(api.ok("PutSigningConfiguration", put.clone()).await, put);
    let mut with_registry = put.clone();
    with_registry["registryId"] = json!(ACCOUNT);
    assert_eq!(api.ok("GetSigningConfiguration", json!({})).await, with_registry);

    let empty = configuration(&json!([]));
    api.ok("PutSigningConfiguration", empty.clone()).await;
    let mut with_registry = empty;
    with_registry["registryId"] = json!(ACCOUNT);
    assert_eq!(
        api.ok("DeleteSigningConfiguration", json!({})).await,
        with_registry
    );
    let again = api.call("DeleteSigningConfiguration", json!({})).await;
    again.refuses(ErrorCode::SigningConfigurationNotFoundException, &not_found);
}

#[tokio::test]
async fn a_configuration_belongs_to_one_registry() {
    let api = Api::new();
    let put = configuration(&json!([rule(PROFILE, &[])]));
    api.ok("PutSigningConfiguration", put).await;
    for other in [api.by_account(OTHER_ACCOUNT), api.in_region("eu-west-1")] {
        let answer = other.call("GetSigningConfiguration", json!({})).await;
        assert_eq!(answer.error(), Some("SigningConfigurationNotFoundException"));
    }
}

#[tokio::test]
async fn a_profile_of_another_region_is_refused() {
    is_refused(PROFILE).await;
}

#[tokio::test]
async fn a_profile_of_another_partition_is_refused() {
    is_refused("arn:aws-cn:signer:eu-west-1:000000000000:/signing-profiles/demo_profile").await;
}

async fn is_refused(profile: &str) {
    let api = Api::new().in_region("eu-west-1");
    let put = configuration(&json!([rule(profile, &[])]));
    let answer = api.call("PutSigningConfiguration", put).await;
    answer.refuses(
        ErrorCode::ValidationException,
        &format!("The signing profile '{profile}' is not in the region eu-west-1"),
    );
}

#[tokio::test]
async fn rules_that_break_the_model_are_refused() {
    let api = Api::new();
    let rules = (0..11).map(|_| rule(PROFILE, &[])).collect::<Vec<_>>();
    let mut other_type = rule(PROFILE, &["*"]);
    other_type["repositoryFilters"][0]["filterType"] = json!("PREFIX_MATCH");
    let mut no_filters = rule(PROFILE, &[]);
    no_filters["repositoryFilters"] = json!([]);
    for rules in [
        json!(rules),
        json!([rule("arn:aws:signer:us-east-1:0:/signing-profiles/ab", &[])]),
        json!([rule(PROFILE, &[""])]),
        json!([{ "repositoryFilters": [] }]),
        json!([other_type]),
        json!([no_filters]),
    ] {
        let answer = api.call("PutSigningConfiguration", configuration(&rules)).await;
        assert_eq!(
            answer.error(),
            Some("InvalidParameterException"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_push_is_told_that_nobody_holds_the_keys_of_a_profile() {
    let api = Api::new();
    api.create("team/web").await;
    let rules = json!([rule(PROFILE, &["team/*"]), rule(OTHER_PROFILE, &["other"])]);
    api.ok("PutSigningConfiguration", configuration(&rules)).await;
    let image = Image::new(1);
    api.push("team/web", Some("v1"), &image).await;
    let described = api
        .ok(
            "DescribeImageSigningStatus",
            json!({ "repositoryName": "team/web", "imageId": { "imageTag": "v1" }, "registryId": ACCOUNT }),
        )
        .await;
    assert_eq!(described["imageId"]["imageDigest"], image.digest());
    insta::assert_snapshot!(pretty(&described, &["imageDigest"]), @r#"
    {
      "imageId": {
        "imageDigest": "<imageDigest>",
        "imageTag": "v1"
      },
      "registryId": "000000000000",
      "repositoryName": "team/web",
      "signingStatuses": [
        {
          "failureCode": "SignerUnavailable",
          "failureReason": "No signer is configured that holds the keys of the signing profile",
          "signingProfileArn": "arn:aws:signer:us-east-1:000000000000:/signing-profiles/demo_profile",
          "status": "FAILED"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn what_was_pushed_before_is_signed_when_it_is_pushed_again_and_signatures_never() {
    let api = Api::new();
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;
    let rules = json!([rule(PROFILE, &[]), rule(OTHER_PROFILE, &["de*"])]);
    api.ok("PutSigningConfiguration", configuration(&rules)).await;
    assert_eq!(statuses(&api, "demo", &image.digest()).await, []);

    api.ok("PutImage", put("demo", &image.text(), Some("v2"))).await;
    assert_eq!(
        statuses(&api, "demo", &image.digest()).await,
        failed(&[PROFILE, OTHER_PROFILE])
    );
    let all = api.push_index("demo", None, &index(&[&image])).await;
    assert_eq!(
        statuses(&api, "demo", &all).await,
        failed(&[PROFILE, OTHER_PROFILE])
    );

    let signature = Image::new(2)
        .with("artifactType", json!("application/vnd.cncf.notary.signature"))
        .with(
            "subject",
            json!({ "mediaType": OCI_MANIFEST, "digest": image.digest(), "size": 1 }),
        );
    let signature = api.push("demo", None, &signature).await;
    assert_eq!(statuses(&api, "demo", &signature).await, []);

    // The results remain without the configuration, and are removed with the image.
    api.ok("DeleteSigningConfiguration", json!({})).await;
    assert_eq!(statuses(&api, "demo", &image.digest()).await.len(), 2);
    let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": all }, { "imageDigest": image.digest() }] });
    api.ok("BatchDeleteImage", ids).await;
    assert_eq!(api.count("SELECT count(*) FROM signing_statuses"), 0);
}

#[tokio::test]
async fn the_status_of_an_image_that_is_not_there_is_refused() {
    let api = Api::new();
    let input = json!({ "repositoryName": "demo", "imageId": { "imageDigest": ABSENT } });
    let answer = api.call("DescribeImageSigningStatus", input.clone()).await;
    answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("demo"));
    api.create("demo").await;
    let answer = api.call("DescribeImageSigningStatus", input).await;
    assert_eq!(answer.error(), Some("ImageNotFoundException"));
    let malformed = json!({ "repositoryName": "demo", "imageId": { "imageDigest": "digest" } });
    let answer = api.call("DescribeImageSigningStatus", malformed).await;
    answer.refuses_parameter(
        "imageDigest",
        "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
    );
}
