//! `nextToken`: valid only if it was issued, and only for its own list.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{Api, OTHER_ACCOUNT};
use crate::content::Image;

const TEXT: &str = "Invalid parameter at 'nextToken' failed to satisfy constraint: 'must be a token returned by this operation'";

/// `demo` and `other` with two images each, and two referrers of the first image.
async fn two_repositories() -> Api {
    let api = Api::new();
    for name in ["demo", "other"] {
        api.create(name).await;
        for seed in 1..3 {
            api.push(name, Some(&format!("v{seed}")), &Image::new(seed)).await;
            let referrer = Image::new(10 + seed).with("subject", Image::new(1).descriptor());
            api.push(name, None, &referrer).await;
        }
    }
    api
}

fn list(repository: &str) -> Value {
    json!({ "repositoryName": repository, "maxResults": 1 })
}

fn referrers(repository: &str, subject: &Image) -> Value {
    let mut input = list(repository);
    input["subjectId"] = json!({ "imageDigest": subject.digest() });
    input
}

fn with(mut input: Value, member: &str, value: &Value) -> Value {
    input[member] = value.clone();
    input
}

async fn refuse(api: &Api, operation: &str, input: Value, token: &Value) {
    let input = with(input, "nextToken", token);
    let answer = api.call(operation, input.clone()).await;
    answer.refuses(ErrorCode::InvalidContinuationTokenException, TEXT);
    let answer = api.with_aws_names().call(operation, input).await;
    answer.refuses(ErrorCode::InvalidParameterException, TEXT);
}

#[tokio::test]
async fn a_token_is_good_for_its_list_alone() {
    let api = two_repositories().await;
    let stranger = api.by_account(OTHER_ACCOUNT);
    stranger.create("demo").await;
    let elsewhere = api.in_region("eu-west-1");
    elsewhere.create("demo").await;
    let filter = json!({ "tagStatus": "TAGGED" });
    let types = json!({ "artifactTypes": ["text/sbom"] });
    let first = Image::new(1);
    let lists = [
        ("ListImages", list("demo")),
        ("ListImages", list("other")),
        ("ListImages", with(list("demo"), "filter", &filter)),
        ("DescribeImages", list("demo")),
        ("DescribeImages", list("other")),
        ("DescribeImages", with(list("demo"), "filter", &filter)),
        ("DescribeRepositories", json!({ "maxResults": 1 })),
        ("ListImageReferrers", referrers("demo", &first)),
        ("ListImageReferrers", referrers("other", &first)),
    ];
    let others = [
        ("ListImageReferrers", referrers("demo", &Image::new(2))),
        (
            "ListImageReferrers",
            with(referrers("demo", &first), "filter", &types),
        ),
    ];
    for (issued_for, (operation, input)) in lists.iter().enumerate() {
        let token = api.ok(operation, input.clone()).await["nextToken"].clone();
        assert!(token.is_string(), "{operation} {input}");
        let all = lists.iter().chain(&others).enumerate();
        for (_, (operation, input)) in all.filter(|(at, _)| *at != issued_for) {
            refuse(&api, operation, input.clone(), &token).await;
        }
        refuse(
            &stranger,
            operation,
            with(input.clone(), "repositoryName", &json!("demo")),
            &token,
        )
        .await;
        refuse(
            &elsewhere,
            operation,
            with(input.clone(), "repositoryName", &json!("demo")),
            &token,
        )
        .await;
        // A request with another page size is for the same list.
        let larger = with(with(input.clone(), "nextToken", &token), "maxResults", &json!(50));
        api.ok(operation, larger).await;
    }
}

#[tokio::test]
async fn a_token_that_was_changed_cut_or_made_up_is_none() {
    let api = two_repositories().await;
    for (operation, input) in [
        ("ListImages", list("demo")),
        ("DescribeImages", list("demo")),
        ("DescribeRepositories", json!({ "maxResults": 1 })),
        ("ListImageReferrers", referrers("demo", &Image::new(1))),
    ] {
        let issued = api.ok(operation, input.clone()).await["nextToken"].clone();
        let issued = issued.as_str().unwrap();
        for at in 0..issued.len() {
            let other = if &issued[at..=at] == "A" { "B" } else { "A" };
            let changed = [&issued[..at], other, &issued[at + 1..]].concat();
            refuse(&api, operation, input.clone(), &json!(changed)).await;
        }
        for made_up in [
            "",
            "A",
            "AQ",
            "garbage!",
            "\u{0}",
            &issued[1..],
            &issued[..issued.len() - 1],
            &issued.repeat(2),
            &format!("{issued}=="),
            &"A".repeat(100_000),
        ] {
            refuse(&api, operation, input.clone(), &json!(made_up)).await;
        }
        let number = api.call(operation, with(input, "nextToken", &json!(1))).await;
        assert_eq!(number.error(), Some("SerializationException"));
    }
}

#[tokio::test]
async fn naming_what_is_wanted_and_paging_exclude_each_other() {
    let api = two_repositories().await;
    let named = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] });
    let repositories = json!({ "repositoryNames": ["demo"] });
    for (operation, input, member) in [
        ("DescribeImages", named, "imageIds"),
        ("DescribeRepositories", repositories, "repositoryNames"),
    ] {
        let reason = format!("must not be set together with {member}");
        let sized = api
            .call(operation, with(input.clone(), "maxResults", &json!(5)))
            .await;
        sized.refuses_parameter("maxResults", &reason);
        let continued = api.call(operation, with(input, "nextToken", &json!("x"))).await;
        continued.refuses_parameter("nextToken", &reason);
    }
}

#[tokio::test]
async fn lists_need_a_repository() {
    let api = Api::new();
    for (operation, input) in [
        ("ListImages", list("gone")),
        ("DescribeImages", list("gone")),
        ("ListImageReferrers", referrers("gone", &Image::new(1))),
    ] {
        let answer = api.call(operation, input).await;
        answer.refuses(
            ErrorCode::RepositoryNotFoundException,
            &crate::repositories::absent("gone"),
        );
    }
}
