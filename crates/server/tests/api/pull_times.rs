//! The time of an image's last pull. Its description shows it with a delay of at most a day.

use ecru_registry::images::{Reference, load_manifest, pull_manifest};
use serde_json::{Value, json};

use crate::api::Api;
use crate::content::{Image, index};

const HOUR_MILLISECONDS: i64 = 60 * 60 * 1000;
/// The time at which every registry starts.
const START: f64 = 1_767_225_600.5;

/// `demo` with an index of two images.
async fn demo() -> Api {
    let api = Api::new();
    api.create("demo").await;
    for (seed, tag) in [(1, "one"), (2, "two")] {
        api.push("demo", Some(tag), &Image::new(seed)).await;
    }
    let children = index(&[&Image::new(1), &Image::new(2)]);
    api.push_index("demo", Some("all"), &children).await;
    api
}

async fn pull(api: &Api, tag: &str) {
    let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": tag }, { "imageTag": "gone" }] });
    api.ok("BatchGetImage", ids).await;
}

async fn pulled(api: &Api, tag: &str) -> Value {
    api.run_due().await;
    let input = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": tag }] });
    let described = api.ok("DescribeImages", input).await;
    described["imageDetails"][0]["lastRecordedPullTime"].clone()
}

#[tokio::test]
async fn an_image_that_was_never_pulled_has_no_time() {
    let api = demo().await;
    for operation in ["ListImages", "DescribeImages"] {
        api.ok(operation, json!({ "repositoryName": "demo" })).await;
    }
    assert_eq!(pulled(&api, "one").await, Value::Null);
}

#[tokio::test]
async fn a_pull_is_recorded_at_its_time_once_a_day() {
    let api = demo().await;
    pull(&api, "one").await;
    assert_eq!(pulled(&api, "one").await, START);
    assert_eq!(pulled(&api, "two").await, Value::Null);

    api.service().clock.advance(24 * HOUR_MILLISECONDS - 1);
    pull(&api, "one").await;
    assert_eq!(pulled(&api, "one").await, START);
    api.service().clock.advance(1);
    pull(&api, "one").await;
    assert_eq!(pulled(&api, "one").await, START + 86_400.0);
}

#[tokio::test]
async fn a_pull_of_an_index_is_none_of_its_children() {
    let api = demo().await;
    pull(&api, "all").await;
    assert_eq!(pulled(&api, "all").await, START);
    assert_eq!(pulled(&api, "one").await, Value::Null);
}

#[tokio::test]
async fn a_pull_through_the_other_door_counts_as_well() {
    let api = demo().await;
    let name = ecru_model::RepositoryName::parse("demo").unwrap();
    let tag = Reference::Tag(ecru_model::ImageTag::parse("two").unwrap());
    load_manifest(&api.context(), &name, &tag).await.unwrap();
    assert_eq!(pulled(&api, "two").await, Value::Null, "somebody who only looks");
    pull_manifest(&api.context(), &name, &tag).await.unwrap();
    assert_eq!(pulled(&api, "two").await, START);
}

#[tokio::test]
async fn a_pull_of_an_image_that_is_gone_by_now_is_forgotten() {
    let api = demo().await;
    pull(&api, "all").await;
    let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "all" }] });
    api.ok("BatchDeleteImage", ids).await;
    // A new image may reuse the row of the deleted one.
    api.push("demo", Some("new"), &Image::new(3)).await;
    assert_eq!(pulled(&api, "new").await, Value::Null);
}
