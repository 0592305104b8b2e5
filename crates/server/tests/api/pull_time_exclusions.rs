//! Principals whose pulls are not recorded: registered, listed, removed, and the effect on pull times.

use ecru_model::ErrorCode;
use ecru_platform::principals::bind_principal;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT};
use crate::content::Image;

const CI: &str = "arn:aws:iam::000000000000:role/team/ci";

fn named(arn: &str) -> Value {
    json!({ "principalArn": arn })
}

async fn listed(api: &Api) -> Value {
    let listed = api.ok("ListPullTimeUpdateExclusions", json!({})).await;
    listed["pullTimeUpdateExclusions"].clone()
}

#[tokio::test]
async fn a_principal_is_excluded_once() {
    let api = Api::new();
    let registered = api.ok("RegisterPullTimeUpdateExclusion", named(CI)).await;
    assert_eq!(
        registered,
        json!({ "principalArn": CI, "createdAt": 1_767_225_600.5 })
    );
    assert_eq!(listed(&api).await, json!([CI]));

    let again = api.call("RegisterPullTimeUpdateExclusion", named(CI)).await;
    let text = format!(
        "The pull time update exclusion for the principal '{CI}' already exists in the registry with id '{ACCOUNT}'"
    );
    again.refuses(ErrorCode::ExclusionAlreadyExistsException, &text);

    for elsewhere in [api.by_account(OTHER_ACCOUNT), api.in_region("eu-west-1")] {
        assert_eq!(listed(&elsewhere).await, json!([]));
    }
}

#[tokio::test]
async fn a_principal_of_another_partition_is_excluded_only_if_it_was_before() {
    const OTHER: &str = "arn:aws-cn:iam::000000000000:role/team/ci";
    let api = Api::new();
    for (region, other) in [("us-east-1", OTHER), ("cn-north-1", CI)] {
        let answer = api
            .in_region(region)
            .call("RegisterPullTimeUpdateExclusion", named(other))
            .await;
        answer.refuses_parameter(
            "principalArn",
            "The principal must be of the partition of the registry",
        );
    }
    let china = api.in_region("cn-north-1");
    china.ok("RegisterPullTimeUpdateExclusion", named(OTHER)).await;

    api.ok("RegisterPullTimeUpdateExclusion", named(CI)).await;
    api.execute("UPDATE pull_time_exclusions SET principal = replace(principal, 'arn:aws:', 'arn:aws-cn:')")
        .await;
    assert_eq!(listed(&api).await, json!([OTHER]));
    api.ok("DeregisterPullTimeUpdateExclusion", named(OTHER)).await;
}

#[tokio::test]
async fn a_principal_that_is_not_excluded_cannot_be_taken_away() {
    let api = Api::new();
    api.ok("RegisterPullTimeUpdateExclusion", named(CI)).await;
    assert_eq!(
        api.ok("DeregisterPullTimeUpdateExclusion", named(CI)).await,
        named(CI)
    );
    assert_eq!(listed(&api).await, json!([]));

    let again = api.call("DeregisterPullTimeUpdateExclusion", named(CI)).await;
    let text = format!(
        "The pull time update exclusion for the principal '{CI}' does not exist in the registry with id '{ACCOUNT}'"
    );
    again.refuses(ErrorCode::ExclusionNotFoundException, &text);
}

#[tokio::test]
async fn a_registry_excludes_so_many_principals_and_no_more() {
    let api = Api::new();
    let user = |number: usize| format!("arn:aws:iam::{ACCOUNT}:user/u{number:03}");
    for number in 0..100 {
        api.ok("RegisterPullTimeUpdateExclusion", named(&user(number)))
            .await;
    }
    let text = "The registry with id '000000000000' already has the maximum allowed number of pull time update \
                exclusions which is '100'";
    api.call("RegisterPullTimeUpdateExclusion", named(&user(100)))
        .await
        .refuses(ErrorCode::LimitExceededException, text);

    let mut found = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "maxResults": 30 });
        if !token.is_null() {
            input["nextToken"] = token;
        }
        let page = api.ok("ListPullTimeUpdateExclusions", input).await;
        found.extend(page["pullTimeUpdateExclusions"].as_array().unwrap().clone());
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    let expected = (0..100).map(user).collect::<Vec<_>>();
    assert_eq!(Value::from(found), json!(expected));
}

#[tokio::test]
async fn what_is_no_user_or_role_is_refused() {
    let api = Api::new();
    for operation in [
        "RegisterPullTimeUpdateExclusion",
        "DeregisterPullTimeUpdateExclusion",
    ] {
        for arn in [
            "",
            "arn:aws:iam::000000000000:root",
            "arn:aws:iam::1:user/a",
            "arn:aws:sts::000000000000:assumed-role/ci/x",
        ] {
            let answer = api.call(operation, named(arn)).await;
            assert_eq!(answer.error(), Some("InvalidParameterException"), "{arn}");
        }
        let absent = api.call(operation, json!({})).await;
        absent.refuses_parameter("principalArn", "Member must not be null");
    }
    let answer = api
        .call("ListPullTimeUpdateExclusions", json!({ "maxResults": 0 }))
        .await;
    assert_eq!(answer.error(), Some("InvalidParameterException"));
    let answer = api
        .call("ListPullTimeUpdateExclusions", json!({ "nextToken": "x" }))
        .await;
    assert_eq!(answer.error(), Some("InvalidContinuationTokenException"));
}

#[tokio::test]
async fn pulls_of_an_excluded_role_leave_no_trace_until_it_is_taken_away() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("RegisterPullTimeUpdateExclusion", named(CI)).await;
    let session = "arn:aws:sts::000000000000:assumed-role/ci/run-7";
    bind_principal(api.service(), "AKIACI".to_owned(), session.to_owned())
        .await
        .unwrap();
    let ci = api.by_key("AKIACI");

    let image = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] });
    let pulled = async |by: &Api| {
        by.ok("BatchGetImage", image.clone()).await;
        api.run_due().await;
        let described = api.ok("DescribeImages", image.clone()).await;
        described["imageDetails"][0]["lastRecordedPullTime"].clone()
    };
    assert_eq!(pulled(&ci).await, Value::Null);

    api.ok("DeregisterPullTimeUpdateExclusion", named(CI)).await;
    assert_eq!(pulled(&ci).await, 1_767_225_600.5);
}

#[tokio::test]
async fn a_bound_key_is_its_principal_in_the_account_of_the_principal() {
    let api = Api::new();
    let alice = "arn:aws:iam::111122223333:user/alice";
    bind_principal(api.service(), "AKIAALICE".to_owned(), alice.to_owned())
        .await
        .unwrap();
    let described = api.by_key("AKIAALICE").ok("DescribeRegistry", json!({})).await;
    assert_eq!(described["registryId"], OTHER_ACCOUNT);
    assert_eq!(api.by_key("AKIAALICE").context().caller.name(), alice);
    assert_eq!(
        api.by_key("AKIABOB").context().caller.name(),
        "arn:aws:iam::000000000000:root"
    );
}
