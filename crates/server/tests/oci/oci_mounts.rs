//! Mounts of a blob from another repository, which need the account's setting.

use serde_json::json;

use crate::client::Registry;
use crate::content::{ALGORITHMS, bytes};

async fn two_repositories(mounting: &str) -> Registry {
    let registry = Registry::start().await;
    registry.create("source").await;
    registry
        .aws(
            "PutAccountSetting",
            json!({ "name": "BLOB_MOUNTING", "value": mounting }),
        )
        .await;
    registry
}

#[tokio::test]
async fn a_blob_is_mounted_from_a_repository_that_holds_it() {
    let registry = two_repositories("ENABLED").await;
    for algorithm in ALGORITHMS {
        for size in [100, 100_000] {
            let blob = bytes(1, size);
            let digest = registry.push_blob_as(algorithm, "source", &blob).await;
            let mount = registry
                .post(&format!("/v2/demo/blobs/uploads/?mount={digest}&from=source"))
                .send()
                .await;
            mount.is(201).has("docker-content-digest", &digest);
            let location = mount.header("location").unwrap();
            assert!(location.ends_with(&format!("/v2/demo/blobs/{digest}")));
            assert!(registry.get(location).send().await.is(200).body == blob);
        }
    }
}

#[tokio::test]
async fn a_blob_that_cannot_be_mounted_is_uploaded() {
    let registry = two_repositories("ENABLED").await;
    registry.create("third").await;
    let blob = bytes(1, 300);
    let digest = registry.push_blob("third", &blob).await;

    for from in ["source", "absent", "some/where/else"] {
        let begun = registry
            .post(&format!("/v2/demo/blobs/uploads/?mount={digest}&from={from}"))
            .send()
            .await;
        begun.is(202).has("range", "0-0");
        registry
            .head(&format!("/v2/demo/blobs/{digest}"))
            .send()
            .await
            .is(404);
        registry
            .delete(begun.header("location").unwrap())
            .send()
            .await
            .is(204);
    }
    let begun = registry
        .post(&format!("/v2/demo/blobs/uploads/?mount={digest}&from=source"))
        .send()
        .await;
    let close = format!("{}?digest={digest}", begun.is(202).header("location").unwrap());
    registry.put(&close).body(&*blob).send().await.is(201);
}

#[tokio::test]
async fn nothing_is_mounted_while_the_setting_is_off() {
    let registry = two_repositories("DISABLED").await;
    let digest = registry.push_blob("source", &bytes(1, 300)).await;
    registry
        .post(&format!("/v2/demo/blobs/uploads/?mount={digest}&from=source"))
        .send()
        .await
        .is(202);
    registry
        .head(&format!("/v2/demo/blobs/{digest}"))
        .send()
        .await
        .is(404);
}

#[tokio::test]
async fn a_mount_without_a_source_shows_no_blob_of_another_repository() {
    let registry = two_repositories("ENABLED").await;
    let digest = registry.push_blob("source", &bytes(1, 300)).await;
    registry
        .post(&format!("/v2/demo/blobs/uploads/?mount={digest}"))
        .send()
        .await
        .is(202);
    registry
        .head(&format!("/v2/demo/blobs/{digest}"))
        .send()
        .await
        .is(404);
}

#[tokio::test]
async fn a_mount_that_is_of_no_use_here_begins_an_upload() {
    let registry = two_repositories("ENABLED").await;
    let blob = bytes(1, 300);
    let digest = registry.push_blob("source", &blob).await;
    let long = "a".repeat(300);
    let mounts = [
        // A client that has the blob from another registry sends such a request.
        format!("mount={digest}&from=a"),
        format!("mount={digest}&from=Foo/Bar"),
        format!("mount={digest}&from=localhost:5000/x"),
        format!("mount={digest}&from={long}"),
        format!("mount={digest}&from="),
        format!("mount={digest}&from=..%2Fetc"),
        format!("mount={digest}&from=%ff%fe"),
        format!("mount={digest}&from=%zz"),
        format!("mount={digest}&from=%00"),
        "mount=%ff&from=source".to_owned(),
        format!("mount={digest}&from=Foo&ns=%ff&%ff=x"),
        format!("mount=sha384:{}&from=source", "0".repeat(96)),
        "mount=sha256:xyz&from=source".to_owned(),
        "mount=&from=source".to_owned(),
        format!("from=source&mount={}", digest.to_uppercase()),
    ];
    for mount in mounts {
        let begun = registry
            .post(&format!("/v2/demo/blobs/uploads/?{mount}"))
            .send()
            .await;
        begun.is(202).has("range", "0-0");
        let location = begun.header("location").unwrap();
        registry
            .head(&format!("/v2/demo/blobs/{digest}"))
            .send()
            .await
            .is(404);
        registry.delete(location).send().await.is(204);
    }
    // The upload that begins instead is an ordinary one.
    let begun = registry
        .post("/v2/demo/blobs/uploads/?mount=sha384:00&from=Foo/Bar")
        .send()
        .await;
    let close = format!("{}?digest={digest}", begun.is(202).header("location").unwrap());
    registry.put(&close).body(&*blob).send().await.is(201);
}
