//! Configured service quotas: requests that exceed them are refused.

use ecru_model::ErrorCode;
use ecru_registry::Quotas;
use serde_json::json;

use crate::api::{Answer, Api};
use crate::content::{Image, part, put};

fn with(settings: &[&str]) -> Api {
    Api::with(|configuration| {
        configuration.quotas = settings.iter().fold(Quotas::default(), |quotas, setting| {
            quotas.with(setting.parse().unwrap())
        });
    })
}

#[track_caller]
fn exceeds(answer: &Answer, message: &str) {
    answer.refuses(ErrorCode::LimitExceededException, message);
}

#[tokio::test]
async fn repositories_are_counted_for_each_registry() {
    let api = with(&["repositories-per-registry=2"]);
    api.create("one").await;
    api.create("two").await;
    let input = json!({ "repositoryName": "three" });
    exceeds(
        &api.call("CreateRepository", input).await,
        "The registry with id '000000000000' already has the maximum allowed number of repositories which is '2'",
    );
    api.in_region("eu-west-1").create("three").await;
    api.ok("DeleteRepository", json!({ "repositoryName": "one" }))
        .await;
    api.create("three").await;
}

#[tokio::test]
async fn what_went_leaves_its_place_to_another() {
    let api = with(&[
        "repositories-per-registry=1",
        "pull-time-exclusions-per-registry=1",
        "creation-templates-per-registry=1",
        "pull-through-cache-rules-per-registry=1",
    ]);
    let exclusion = |name: &str| json!({ "principalArn": format!("arn:aws:iam::000000000000:role/{name}") });
    let template = |prefix: &str| json!({ "prefix": prefix, "appliedFor": ["CREATE_ON_PUSH"] });
    let rule =
        |prefix: &str| json!({ "ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": "public.ecr.aws" });
    let calls = async |name: &str| {
        [
            api.call("CreateRepository", json!({ "repositoryName": name }))
                .await,
            api.call("RegisterPullTimeUpdateExclusion", exclusion(name)).await,
            api.call("CreateRepositoryCreationTemplate", template(name)).await,
            api.call("CreatePullThroughCacheRule", rule(name)).await,
        ]
    };
    for answer in calls("one").await {
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
    for answer in calls("two").await {
        answer.refuses_code(ErrorCode::LimitExceededException);
    }
    api.ok("DeleteRepository", json!({ "repositoryName": "one" }))
        .await;
    api.ok("DeregisterPullTimeUpdateExclusion", exclusion("one"))
        .await;
    api.ok("DeleteRepositoryCreationTemplate", json!({ "prefix": "one" }))
        .await;
    api.ok(
        "DeletePullThroughCacheRule",
        json!({ "ecrRepositoryPrefix": "one" }),
    )
    .await;
    for answer in calls("two").await {
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
    assert_eq!(api.count("SELECT sum(held) FROM registry_counters"), 4);
    api.reset(None).await;
    for answer in calls("three").await {
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
}

#[tokio::test]
async fn pull_time_exclusions_are_counted_for_each_registry() {
    let api = with(&["pull-time-exclusions-per-registry=1"]);
    let arn = |name| json!({ "principalArn": format!("arn:aws:iam::000000000000:role/{name}") });
    api.ok("RegisterPullTimeUpdateExclusion", arn("one")).await;
    exceeds(
        &api.call("RegisterPullTimeUpdateExclusion", arn("two")).await,
        "The registry with id '000000000000' already has the maximum allowed number of pull time update exclusions \
         which is '1'",
    );
}

#[tokio::test]
async fn images_are_counted_for_each_repository_and_tags_for_each_image() {
    let api = with(&["images-per-repository=1", "tags-per-image=2"]);
    api.create("demo").await;
    let (first, second) = (Image::new(1), Image::new(2));
    api.push("demo", Some("a"), &first).await;
    api.push_layers("demo", &second).await;
    exceeds(
        &api.call("PutImage", put("demo", &second.text(), None)).await,
        "The repository with name 'demo' in registry with id '000000000000' already has the maximum allowed number of \
         images which is '1'",
    );
    let tag = |tag| put("demo", &first.text(), Some(tag));
    api.ok("PutImage", tag("b")).await;
    exceeds(
        &api.call("PutImage", tag("c")).await,
        "Adding tag 'c' to an image in the repository with name 'demo' in registry with id '000000000000' exceeds the \
         maximum allowed number of tags per image which is '2'",
    );
}

#[tokio::test]
async fn uploads_their_parts_and_their_bytes_are_counted() {
    let api = with(&["uploads-per-repository=1", "layer-parts=2", "layer-bytes=10"]);
    api.create("demo").await;
    let upload = api.begin_upload("demo").await;
    exceeds(
        &api.call("InitiateLayerUpload", json!({ "repositoryName": "demo" }))
            .await,
        "The repository with name 'demo' already has the maximum allowed number of uploads which is '1'",
    );
    api.ok("UploadLayerPart", part("demo", &upload, 0, b"1234")).await;
    exceeds(
        &api.call("UploadLayerPart", part("demo", &upload, 4, b"5678901"))
            .await,
        "The layer is larger than the maximum of 10 bytes",
    );
    api.ok("UploadLayerPart", part("demo", &upload, 4, b"567890"))
        .await;
    exceeds(
        &api.call("UploadLayerPart", part("demo", &upload, 10, b"1")).await,
        "The upload already has the maximum allowed number of parts which is '2'",
    );
}
