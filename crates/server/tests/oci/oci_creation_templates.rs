//! Pushes to a repository that does not exist, which a template creates.

use serde_json::{Value, json};

use crate::client::Registry;
use crate::content::{Image, bytes, index, sha256};

async fn with_template() -> Registry {
    let registry = Registry::start().await;
    registry
        .aws(
            "CreateRepositoryCreationTemplate",
            json!({
                "prefix": "team",
                "appliedFor": ["CREATE_ON_PUSH"],
                "imageTagMutability": "IMMUTABLE",
                "resourceTags": [{ "Key": "made", "Value": "by push" }],
                "customRoleArn": "arn:aws:iam::000000000000:role/ecr",
            }),
        )
        .await;
    registry
}

async fn described(registry: &Registry, name: &str) -> Value {
    let answer = registry
        .aws("DescribeRepositories", json!({ "repositoryNames": [name] }))
        .await;
    answer["repositories"][0].clone()
}

#[tokio::test]
async fn a_docker_push_makes_the_repository() {
    let registry = with_template().await;
    let image = Image::new(1);
    // Docker sends a HEAD first, which creates nothing.
    let head = format!("/v2/team/app/blobs/{}", sha256(&image.blobs[0]));
    registry.head(&head).send().await.is(404);
    let missing = registry.get("/v2/team/app/tags/list").send().await;
    missing.refuses(404, "NAME_UNKNOWN");

    for blob in &image.blobs {
        let begun = registry.post("/v2/team/app/blobs/uploads/").send().await;
        let location = begun.is(202).header("location").unwrap().to_owned();
        registry.patch(&location).body(blob.clone()).send().await.is(202);
        let target = format!("{location}?digest={}", sha256(blob));
        registry.put(&target).send().await.is(201);
    }
    registry
        .put_manifest("team/app", "1.0", &image.manifest)
        .await
        .is(201);
    registry.get("/v2/team/app/manifests/1.0").send().await.is(200);
    assert_eq!(
        described(&registry, "team/app").await["imageTagMutability"],
        "IMMUTABLE"
    );
    registry
        .put_manifest("team/app", "1.0", &image.manifest)
        .await
        .refuses(400, "TAG_INVALID");
}

#[tokio::test]
async fn every_first_request_of_a_push_makes_the_repository() {
    let registry = with_template().await;
    let blob = bytes(1, 200);
    let digest = sha256(&blob);
    let whole = format!("/v2/team/a/blobs/uploads/?digest={digest}");
    registry.post(&whole).body(blob.clone()).send().await.is(201);
    let mount = format!("/v2/team/b/blobs/uploads/?mount={digest}&from=team/a");
    registry.post(&mount).send().await.is(202);
    let nothing_in_it = index(&[]);
    registry
        .put_manifest("team/c", "1.0", &nothing_in_it)
        .await
        .is(201);
    for name in ["team/a", "team/b", "team/c"] {
        assert_eq!(described(&registry, name).await["repositoryName"], name);
    }
}

#[tokio::test]
async fn without_a_template_a_push_is_refused() {
    let registry = with_template().await;
    let blob = bytes(1, 200);
    for target in [
        "/v2/other/app/blobs/uploads/".to_owned(),
        "/v2/team/blobs/uploads/".to_owned(),
        format!("/v2/other/app/blobs/uploads/?digest={}", sha256(&blob)),
        format!("/v2/other/app/blobs/uploads/?mount={}&from=demo", sha256(&blob)),
    ] {
        let reply = registry.post(&target).body(blob.clone()).send().await;
        reply.refuses(404, "NAME_UNKNOWN");
    }
    let put = registry
        .put_manifest("other/app", "1.0", &Image::new(1).manifest)
        .await;
    put.refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn a_bad_manifest_is_refused_as_such_although_its_repository_is_still_to_be_made() {
    let registry = with_template().await;
    registry
        .put_manifest("team/app", "1.0", b"no manifest")
        .await
        .refuses(400, "MANIFEST_INVALID");
    let other = sha256(b"other");
    registry
        .put_manifest("team/app", &other, &index(&[]))
        .await
        .refuses(400, "DIGEST_INVALID");
    // A refused request creates no repository either.
    let missing = registry.get("/v2/team/app/tags/list").send().await;
    missing.refuses(404, "NAME_UNKNOWN");

    registry
        .put_manifest("other/app", "1.0", b"no manifest")
        .await
        .refuses(404, "NAME_UNKNOWN");
}
