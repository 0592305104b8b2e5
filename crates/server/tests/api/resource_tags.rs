//! Resource tags of repositories.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{Api, OTHER_ACCOUNT};
use crate::repositories::absent;

const ARN: &str = "arn:aws:ecr:us-east-1:000000000000:repository/team/demo";

async fn demo() -> Api {
    let api = Api::new();
    api.create("team/demo").await;
    api
}

fn tag(tags: &[(&str, &str)]) -> Value {
    let tags = tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect::<Vec<_>>();
    json!({ "resourceArn": ARN, "tags": tags })
}

fn untag(keys: &[&str]) -> Value {
    json!({ "resourceArn": ARN, "tagKeys": keys })
}

async fn tags(api: &Api) -> Vec<(String, String)> {
    let listed = api.ok("ListTagsForResource", json!({ "resourceArn": ARN })).await;
    let text = |tag: &Value, member: &str| tag[member].as_str().unwrap().to_owned();
    let tags = listed["tags"].as_array().unwrap();
    tags.iter()
        .map(|tag| (text(tag, "Key"), text(tag, "Value")))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn tags_are_added_changed_and_taken_away() {
    let api = demo().await;
    assert_eq!(tags(&api).await, pairs(&[]));
    let added = api
        .ok("TagResource", tag(&[("b", "1"), ("a", ""), ("B", "3")]))
        .await;
    assert_eq!(added, json!({}));
    assert_eq!(tags(&api).await, pairs(&[("B", "3"), ("a", ""), ("b", "1")]));
    // The last value of a repeated key counts, and keys that are not named remain.
    api.ok("TagResource", tag(&[("b", "2"), ("c", "x"), ("b", "4")]))
        .await;
    assert_eq!(
        tags(&api).await,
        pairs(&[("B", "3"), ("a", ""), ("b", "4"), ("c", "x")])
    );
    let removed = api.ok("UntagResource", untag(&["b", "gone", "b", "a"])).await;
    assert_eq!(removed, json!({}));
    assert_eq!(tags(&api).await, pairs(&[("B", "3"), ("c", "x")]));
    api.ok("UntagResource", untag(&[])).await;
    api.ok("TagResource", tag(&[])).await;
    assert_eq!(tags(&api).await, pairs(&[("B", "3"), ("c", "x")]));
}

#[tokio::test]
async fn a_repository_has_so_many_tags_and_no_more() {
    let api = demo().await;
    let too_many = "The list of tags on the repository is over the limit. The maximum number of tags is 50";
    let keys = (0..51).map(|n| format!("key {n:02}")).collect::<Vec<_>>();
    let numbered = keys.iter().map(|key| (key.as_str(), "x")).collect::<Vec<_>>();
    let answer = api.call("TagResource", tag(&numbered)).await;
    answer.refuses(ErrorCode::TooManyTagsException, too_many);
    assert_eq!(tags(&api).await, pairs(&[]));
    api.ok("TagResource", tag(&numbered[..50])).await;
    let answer = api.call("TagResource", tag(&numbered[49..])).await;
    answer.refuses(ErrorCode::TooManyTagsException, too_many);
    // Existing tags may still change.
    api.ok("TagResource", tag(&[("key 00", "y")])).await;
    let mut expected = pairs(&numbered[..50]);
    expected[0].1 = "y".to_owned();
    assert_eq!(tags(&api).await, expected);
}

#[tokio::test]
async fn keys_and_values_have_their_limits() {
    let api = demo().await;
    let (long_key, long_value) = ("é".repeat(128), "é".repeat(256));
    api.ok("TagResource", tag(&[(&long_key, &long_value)])).await;
    let before = tags(&api).await;
    let (key, value) = (format!("{long_key}x"), format!("{long_value}x"));
    for wrong in [
        ("", "x"),
        (key.as_str(), "x"),
        ("k", value.as_str()),
        ("aws:name", "x"),
        ("AWS:name", "x"),
        ("aws:", "x"),
        ("a\u{0}b", "x"),
        ("a\r\nb", "x"),
        ("k", "a\u{0}b"),
        ("k(1)", "x"),
        ("k", "a, b; c"),
        ("100%", "x"),
        ("k", "\"quoted\" & more"),
        ("k", "🚀"),
    ] {
        let answer = api.call("TagResource", tag(&[("fine", "x"), wrong])).await;
        answer.refuses(
            ErrorCode::InvalidTagParameterException,
            "Tag parameters are invalid",
        );
    }
    for wrong in ["", &key, "aws:name"] {
        let answer = api.call("UntagResource", untag(&["fine", wrong])).await;
        answer.refuses(
            ErrorCode::InvalidTagParameterException,
            "Tag parameters are invalid",
        );
    }
    let unnamed = json!({ "resourceArn": ARN, "tags": [{ "Key": "a" }] });
    let unnamed = api.call("TagResource", unnamed).await;
    unnamed.refuses_parameter("tags.1.member.value", "Member must not be null");
    api.call("TagResource", json!({ "resourceArn": ARN }))
        .await
        .refuses_parameter("tags", "Member must not be null");
    api.call("UntagResource", json!({ "resourceArn": ARN }))
        .await
        .refuses_parameter("tagKeys", "Member must not be null");
    assert_eq!(tags(&api).await, before);
}

fn every_call(arn: &str) -> [(&'static str, Value); 3] {
    [
        ("TagResource", json!({ "resourceArn": arn, "tags": [] })),
        ("UntagResource", json!({ "resourceArn": arn, "tagKeys": [] })),
        ("ListTagsForResource", json!({ "resourceArn": arn })),
    ]
}

#[tokio::test]
async fn an_arn_of_anything_else_is_refused() {
    let api = demo().await;
    for arn in [
        "",
        "demo",
        "arn:aws:ecr:us-east-1:000000000000:repository/",
        "arn:aws:ecr:us-east-1:000000000000:repository/UPPER",
        "arn:aws:ecr:us-east-1:000000000000:repository/a/../b",
        "arn:aws:ecr:us-east-1:000000000000:repository/demo\u{0}",
        "arn:aws:ecr:us-east-1:000000000000:registry/demo",
        "arn:aws:ecr:us-east-1:12345:repository/demo",
        "arn:aws:ecr-public::000000000000:repository/demo",
        "arn:aws:s3:::bucket",
        // This ARN names the region of another endpoint.
        "arn:aws:ecr:eu-west-1:000000000000:repository/team/demo",
        "arn:aws-cn:ecr:us-east-1:000000000000:repository/team/demo",
    ] {
        for (operation, input) in every_call(arn) {
            let answer = api.call(operation, input).await;
            answer.refuses_parameter("resourceArn", "Invalid ARN");
        }
    }
    for operation in ["TagResource", "UntagResource", "ListTagsForResource"] {
        let input = json!({ "tags": [], "tagKeys": [] });
        let answer = api.call(operation, input).await;
        answer.refuses_parameter("resourceArn", "Member must not be null");
    }
}

#[tokio::test]
async fn tags_need_a_repository() {
    let api = demo().await;
    for (operation, input) in every_call("arn:aws:ecr:us-east-1:000000000000:repository/gone") {
        let answer = api.call(operation, input).await;
        answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("gone"));
    }
}

#[tokio::test]
async fn a_repository_of_another_account_is_out_of_reach_by_its_arn() {
    let api = demo().await;
    let stranger = api.by_account(OTHER_ACCOUNT);
    for (operation, input) in every_call(ARN) {
        let answer = stranger.call(operation, input).await;
        answer.refuses(
            ErrorCode::AccessDeniedException,
            &format!(
                "User: arn:aws:iam::{OTHER_ACCOUNT}:root is not authorized to perform: ecr:{operation} on resource: \
                 {ARN} because no resource-based policy allows the ecr:{operation} action"
            ),
        );
    }
}

#[tokio::test]
async fn a_tag_that_was_stored_before_is_listed_and_can_be_removed() {
    let api = demo().await;
    api.execute(
        "INSERT INTO resource_tags (repository_id, key, value) SELECT id, 'cost (team)', 'a, b; 100% 🚀' FROM repositories",
    )
    .await;
    // Valid tags can be added beside it.
    api.ok("TagResource", tag(&[("Größe", "x_.:/=+-@ 1")])).await;
    let expected = pairs(&[("Größe", "x_.:/=+-@ 1"), ("cost (team)", "a, b; 100% 🚀")]);
    assert_eq!(tags(&api).await, expected);
    api.ok("UntagResource", untag(&["cost (team)"])).await;
    assert_eq!(tags(&api).await, expected[..1]);
}
