//! Deleting tags, manifests and blobs.

use crate::client::Registry;
use crate::content::{ALGORITHMS, Image, bytes, digest, index, sha256};

#[tokio::test]
async fn a_deleted_tag_leaves_its_manifest() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    let digest = registry.push("demo", "one", &image).await;
    registry
        .put_manifest("demo", "two", &image.manifest)
        .await
        .is(201);

    registry.delete("/v2/demo/manifests/one").send().await.is(202);
    registry
        .get("/v2/demo/manifests/one")
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    registry.head("/v2/demo/manifests/one").send().await.is(404);
    registry.get("/v2/demo/manifests/two").send().await.is(200);
    registry
        .get(&format!("/v2/demo/manifests/{digest}"))
        .send()
        .await
        .is(200);
    registry
        .delete("/v2/demo/manifests/one")
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_deleted_manifest_takes_its_tags_along() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        let image = Image::digested(algorithm, 1, |_| {});
        registry.push_blobs(algorithm, "demo", &image).await;
        let digest = digest(algorithm, &image.manifest);
        let reference = format!("{digest}?tag=one&tag=two");
        registry
            .put_manifest("demo", &reference, &image.manifest)
            .await
            .is(201);

        let path = format!("/v2/demo/manifests/{digest}");
        registry.delete(&path).send().await.is(202);
        for gone in [path.as_str(), "/v2/demo/manifests/one", "/v2/demo/manifests/two"] {
            registry.get(gone).send().await.refuses(404, "MANIFEST_UNKNOWN");
        }
        registry
            .delete(&path)
            .send()
            .await
            .refuses(404, "MANIFEST_UNKNOWN");
        let tags = registry.get("/v2/demo/tags/list").send().await;
        assert_eq!(tags.json()["tags"].as_array().unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_manifest_that_an_index_names_stays_until_the_index_goes() {
    let registry = Registry::start().await;
    let child = Image::new(1);
    let child_digest = registry.push("demo", "child", &child).await;
    let parent = index(&[child.descriptor()]);
    registry.put_manifest("demo", "parent", &parent).await.is(201);

    let path = format!("/v2/demo/manifests/{child_digest}");
    let refused = registry.delete(&path).send().await;
    refused.refuses(405, "UNSUPPORTED").has("allow", "GET, HEAD, PUT");
    assert!(
        refused.message().contains(&sha256(&parent)),
        "{}",
        refused.message()
    );
    registry.get(&path).send().await.is(200);

    registry
        .delete(&format!("/v2/demo/manifests/{}", sha256(&parent)))
        .send()
        .await
        .is(202);
    registry.delete(&path).send().await.is(202);
    registry.get(&path).send().await.refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_deleted_blob_is_gone_at_once_and_can_be_pushed_again() {
    let registry = Registry::start().await;
    registry.create("other").await;
    for algorithm in ALGORITHMS {
        for size in [0, 100, 100_000] {
            let blob = bytes(1, size);
            let digest = registry.push_blob_as(algorithm, "demo", &blob).await;
            registry.push_blob_as(algorithm, "other", &blob).await;
            let path = format!("/v2/demo/blobs/{digest}");
            registry.delete(&path).send().await.is(202);
            registry.head(&path).send().await.is(404);
            registry.get(&path).send().await.refuses(404, "BLOB_UNKNOWN");
            registry.delete(&path).send().await.refuses(404, "BLOB_UNKNOWN");
            // The other repository keeps its blob.
            let other = registry.get(&format!("/v2/other/blobs/{digest}")).send().await;
            assert!(other.is(200).body == blob);

            registry.push_blob_as(algorithm, "demo", &blob).await;
            assert!(registry.get(&path).send().await.is(200).body == blob);
        }
    }
}

#[tokio::test]
async fn a_blob_that_an_image_needs_is_not_deleted() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    let digest = registry.push("demo", "1.0", &image).await;
    for blob in &image.blobs {
        let path = format!("/v2/demo/blobs/{}", sha256(blob));
        let refused = registry.delete(&path).send().await;
        refused.refuses(405, "UNSUPPORTED").has("allow", "GET, HEAD");
        registry.get(&path).send().await.is(200);
    }
    registry
        .delete(&format!("/v2/demo/manifests/{digest}"))
        .send()
        .await
        .is(202);
    for blob in &image.blobs {
        let path = format!("/v2/demo/blobs/{}", sha256(blob));
        registry.delete(&path).send().await.is(202);
        registry.head(&path).send().await.is(404);
    }
    registry
        .put_manifest("demo", "1.0", &image.manifest)
        .await
        .refuses(404, "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn nothing_is_deleted_from_a_repository_that_is_not_there() {
    let registry = Registry::start().await;
    let absent = sha256(b"absent");
    for path in [
        format!("manifests/{absent}"),
        "manifests/latest".to_owned(),
        format!("blobs/{absent}"),
    ] {
        registry
            .delete(&format!("/v2/absent/{path}"))
            .send()
            .await
            .refuses(404, "NAME_UNKNOWN");
    }
    registry
        .delete(&format!("/v2/demo/blobs/{absent}"))
        .send()
        .await
        .refuses(404, "BLOB_UNKNOWN");
    registry
        .delete(&format!("/v2/demo/manifests/{absent}"))
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
}
