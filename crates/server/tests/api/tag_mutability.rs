//! Which tags may move: the four settings, through both APIs.

use ecru_model::ErrorCode;
use ecru_registry::Error;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, join_all};
use crate::content::{Image, put};

fn setting(value: &str, filters: &[&str]) -> Value {
    let mut input = json!({ "repositoryName": "demo", "imageTagMutability": value });
    if !filters.is_empty() {
        let filters = filters
            .iter()
            .map(|filter| json!({ "filterType": "WILDCARD", "filter": filter }))
            .collect::<Vec<_>>();
        input["imageTagMutabilityExclusionFilters"] = json!(filters);
    }
    input
}

fn frozen(tag: &str) -> String {
    format!(
        "The image tag '{tag}' already exists in the 'demo' repository and cannot be overwritten because the tag is \
         immutable."
    )
}

/// A setting with its filters, a tag that may move, and one that may not.
type Setting = (
    &'static str,
    &'static [&'static str],
    Option<&'static str>,
    Option<&'static str>,
);

const SETTINGS: [Setting; 6] = [
    ("MUTABLE", &[], Some("v1"), None),
    ("IMMUTABLE", &[], None, Some("v1")),
    (
        "IMMUTABLE_WITH_EXCLUSION",
        &["dev-*", "latest"],
        Some("dev-1"),
        Some("v1"),
    ),
    (
        "IMMUTABLE_WITH_EXCLUSION",
        &["*-rc*", "a", "b", "c", "d"],
        Some("v1-rc2"),
        Some("v1-r2"),
    ),
    ("MUTABLE_WITH_EXCLUSION", &["v*"], Some("latest"), Some("v1")),
    ("MUTABLE_WITH_EXCLUSION", &["1.0"], Some("1x0"), Some("1.0")),
];

#[tokio::test]
async fn a_tag_that_may_move_moves_by_either_door() {
    for (value, filters, mutable, _) in SETTINGS {
        let Some(tag) = mutable else { continue };
        let api = Api::new();
        api.ok("CreateRepository", setting(value, filters)).await;
        api.push("demo", Some(tag), &Image::new(1)).await;
        let second = api.push("demo", Some(tag), &Image::new(2)).await;
        assert_eq!(api.tags("demo").await, [(tag.to_owned(), second)]);
        let first = Image::new(1);
        api.put_manifest("demo", tag, first.text()).await.unwrap();
        assert_eq!(api.tags("demo").await, [(tag.to_owned(), first.digest())]);
    }
}

#[tokio::test]
async fn a_frozen_tag_refuses_every_put_by_either_door() {
    for (value, filters, _, immutable) in SETTINGS {
        let Some(tag) = immutable else { continue };
        let api = Api::new();
        api.ok("CreateRepository", setting(value, filters)).await;
        let (first, second) = (Image::new(1), Image::new(2));
        let pushed = api.push("demo", Some(tag), &first).await;
        api.push_layers("demo", &second).await;
        // Pushing the tag's current image again is refused too.
        for image in [&second, &first] {
            let answer = api.call("PutImage", put("demo", &image.text(), Some(tag))).await;
            answer.refuses(ErrorCode::ImageTagAlreadyExistsException, &frozen(tag));
            let refused = api.put_manifest("demo", tag, image.text()).await.unwrap_err();
            assert_eq!(refused.code, ErrorCode::ImageTagAlreadyExistsException);
            assert_eq!(refused.message, frozen(tag));
        }
        assert_eq!(api.tags("demo").await, [(tag.to_owned(), pushed.clone())]);
        assert_eq!(api.digests("demo").await, std::slice::from_ref(&pushed));

        // The tag can be deleted, and then be used again.
        let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": tag }] });
        api.ok("BatchDeleteImage", ids).await;
        let pushed = api.push("demo", Some(tag), &second).await;
        assert_eq!(api.tags("demo").await, [(tag.to_owned(), pushed)]);
    }
}

#[tokio::test]
async fn a_missing_layer_is_told_before_a_frozen_tag() {
    let api = Api::new();
    api.ok("CreateRepository", setting("IMMUTABLE", &[])).await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    let answer = api
        .call("PutImage", put("demo", &Image::new(2).text(), Some("v1")))
        .await;
    assert_eq!(answer.error(), Some("LayersNotFoundException"));
}

#[tokio::test]
async fn of_many_who_race_for_an_immutable_tag_one_wins_whatever_its_door() {
    let api = Api::new();
    api.ok("CreateRepository", setting("IMMUTABLE", &[])).await;
    let images = (0..16).map(Image::new).collect::<Vec<_>>();
    for image in &images {
        api.push_layers("demo", image).await;
    }
    let race = images.iter().enumerate().map(|(n, image)| {
        let api = &api;
        async move {
            if n % 2 == 0 {
                let answer = api.call("PutImage", put("demo", &image.text(), Some("v1"))).await;
                answer.error().map(str::to_owned)
            } else {
                let stored = api.put_manifest("demo", "v1", image.text()).await;
                stored.err().map(|error: Error| error.code.name().to_owned())
            }
        }
    });
    let outcomes = join_all(race).await;
    let winners = (0..16).filter(|n| outcomes[*n].is_none()).collect::<Vec<_>>();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    for refused in outcomes.iter().flatten() {
        assert_eq!(refused, "ImageTagAlreadyExistsException");
    }
    let expected = [("v1".to_owned(), images[winners[0]].digest())];
    assert_eq!(api.tags("demo").await, expected);
    assert_eq!(api.digests("demo").await.len(), 1);
}

#[tokio::test]
async fn a_setting_replaces_the_one_before_it() {
    let api = Api::new();
    api.create("demo").await;
    for (value, filters, ..) in SETTINGS {
        let input = setting(value, filters);
        for _ in 0..2 {
            let answer = api.ok("PutImageTagMutability", input.clone()).await;
            let mut expected = input.clone();
            expected["registryId"] = json!(ACCOUNT);
            assert_eq!(answer, expected);
        }
        let described = api.ok("DescribeRepositories", json!({})).await;
        let repository = &described["repositories"][0];
        for member in ["imageTagMutability", "imageTagMutabilityExclusionFilters"] {
            assert_eq!(repository[member], input[member]);
        }
    }
}

#[tokio::test]
async fn a_setting_holds_for_tags_that_were_there_before_it() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("PutImageTagMutability", setting("IMMUTABLE", &[])).await;
    api.push_layers("demo", &Image::new(2)).await;
    let refused = api
        .call("PutImage", put("demo", &Image::new(2).text(), Some("v1")))
        .await;
    refused.refuses(ErrorCode::ImageTagAlreadyExistsException, &frozen("v1"));
    api.ok("PutImageTagMutability", setting("MUTABLE", &[])).await;
    api.ok("PutImage", put("demo", &Image::new(2).text(), Some("v1")))
        .await;
}

#[tokio::test]
async fn filters_go_with_the_settings_that_exclude() {
    let api = Api::new();
    api.create("demo").await;
    let member = "imageTagMutabilityExclusionFilters";
    let refused = async |input: Value, member: &str, reason: &str| {
        let mut other = input.clone();
        other["repositoryName"] = json!("other");
        api.call("PutImageTagMutability", input)
            .await
            .refuses_parameter(member, reason);
        api.call("CreateRepository", other)
            .await
            .refuses_parameter(member, reason);
    };
    for value in ["IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION"] {
        let reason = format!(
            "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as {value}"
        );
        refused(setting(value, &[]), member, &reason).await;
        let reason = "a filter must have at most 2 wildcards (*)";
        refused(setting(value, &["a*b*c*"]), member, reason).await;
        let reason = "Member must have length less than or equal to 5";
        refused(setting(value, &["a"; 6]), member, reason).await;
        let reason = "Member must satisfy regular expression pattern: ^[0-9a-zA-Z._*-]{1,128}$";
        let first = "imageTagMutabilityExclusionFilters.1.member.filter";
        refused(setting(value, &["a/b"]), first, reason).await;
        let reason = "Member must have length less than or equal to 128";
        refused(setting(value, &[&"a".repeat(129)]), first, reason).await;
    }
    for value in ["IMMUTABLE", "MUTABLE"] {
        let reason = format!(
            "ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as {value}"
        );
        refused(setting(value, &["a"]), member, &reason).await;
    }
    let reason = "Member must satisfy enum value set: [IMMUTABLE, MUTABLE, MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION]";
    refused(setting("immutable", &[]), "imageTagMutability", reason).await;
    let absent = api
        .call("PutImageTagMutability", json!({ "repositoryName": "demo" }))
        .await;
    absent.refuses_parameter("imageTagMutability", "Member must not be null");

    let described = api.ok("DescribeRepositories", json!({})).await;
    assert_eq!(described["repositories"].as_array().unwrap().len(), 1);
    assert_eq!(described["repositories"][0]["imageTagMutability"], "MUTABLE");
}
