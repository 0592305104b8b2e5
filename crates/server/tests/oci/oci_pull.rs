//! Pulls: manifests and blobs are returned unchanged, with GET and HEAD.

use crate::client::Registry;
use crate::content::{ALGORITHMS, Image, MANIFEST, bytes, digest, sha256};

#[tokio::test]
async fn the_base_says_that_the_api_is_here() {
    let registry = Registry::start().await;
    for path in ["/v2/", "/v2"] {
        registry.get(path).send().await.is(200);
        registry.head(path).send().await.is(200);
    }
}

#[tokio::test]
async fn a_manifest_is_given_as_it_was_pushed_by_tag_and_by_digest() {
    let registry = Registry::start().await;
    // White space and order of a document are part of its bytes.
    let mut image = Image::new(1);
    image.manifest.extend_from_slice(b"\n  \n");
    let digest = registry.push("demo", "1.0", &image).await;

    for reference in ["1.0", digest.as_str()] {
        let path = format!("/v2/demo/manifests/{reference}");
        let reply = registry.get(&path).header("Accept", MANIFEST).send().await;
        reply
            .is(200)
            .has("content-type", MANIFEST)
            .has("docker-content-digest", &digest);
        reply.has("etag", &format!("\"{digest}\""));
        assert_eq!(reply.body, image.manifest);

        let head = registry.head(&path).send().await;
        head.is(200)
            .has("content-type", MANIFEST)
            .has("docker-content-digest", &digest);
        head.has("content-length", &image.manifest.len().to_string());
    }
}

#[tokio::test]
async fn a_client_that_accepts_another_type_is_given_the_stored_one() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push("demo", "1.0", &image).await;

    for accept in [
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "text/html, */*;q=0.1",
        "",
    ] {
        let reply = registry
            .get("/v2/demo/manifests/1.0")
            .header("Accept", accept)
            .send()
            .await;
        reply.is(200).has("content-type", MANIFEST);
        assert_eq!(reply.body, image.manifest);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let registry = Registry::start().await;
    let absent = sha256(b"absent");

    for (path, code) in [
        ("/v2/demo/manifests/absent".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/demo/manifests/{absent}"), "MANIFEST_UNKNOWN"),
        (format!("/v2/demo/blobs/{absent}"), "BLOB_UNKNOWN"),
        ("/v2/absent/manifests/1.0".to_owned(), "NAME_UNKNOWN"),
        (format!("/v2/absent/manifests/{absent}"), "NAME_UNKNOWN"),
        (format!("/v2/absent/blobs/{absent}"), "NAME_UNKNOWN"),
    ] {
        registry.get(&path).send().await.refuses(404, code);
        registry.head(&path).send().await.is(404);
    }
    let reply = registry.get("/v2/demo/manifests/absent").send().await;
    assert_eq!(reply.message(), "Requested image not found");
}

#[tokio::test]
async fn a_blob_is_given_in_full_whatever_its_size_and_algorithm() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        for (seed, length) in [(1, 0), (2, 1), (3, 65_536), (4, 65_537), (5, 3_000_000)] {
            let blob = bytes(seed, length);
            let digest = registry.push_blob_as(algorithm, "demo", &blob).await;
            let path = format!("/v2/demo/blobs/{digest}");

            let reply = registry.get(&path).send().await;
            reply
                .is(200)
                .has("docker-content-digest", &digest)
                .has("content-type", "application/octet-stream");
            reply
                .has("accept-ranges", "bytes")
                .has("etag", &format!("\"{digest}\""));
            reply.has("x-content-type-options", "nosniff");
            assert!(reply.body == blob, "{length} bytes under {algorithm}");

            let head = registry.head(&path).send().await;
            head.is(200)
                .has("docker-content-digest", &digest)
                .has("content-length", &length.to_string());
            head.has("accept-ranges", "bytes");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_the_content_is_not_given_it_again() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    let digest = registry.push("demo", "1.0", &image).await;
    let blob = sha256(&image.blobs[1]);

    for (path, etag) in [
        ("/v2/demo/manifests/1.0".to_owned(), digest),
        (format!("/v2/demo/blobs/{blob}"), blob),
    ] {
        for known in [
            format!("\"{etag}\""),
            format!("\"other\", W/\"{etag}\""),
            "*".to_owned(),
        ] {
            registry
                .get(&path)
                .header("If-None-Match", &known)
                .send()
                .await
                .is(304);
            registry
                .head(&path)
                .header("If-None-Match", &known)
                .send()
                .await
                .is(304);
        }
        registry
            .get(&path)
            .header("If-None-Match", "\"other\"")
            .send()
            .await
            .is(200);
    }
}

#[tokio::test]
async fn a_repository_may_be_called_as_the_words_of_a_path() {
    let registry = Registry::start().await;
    for name in [
        "blobs",
        "manifests/tags",
        "uploads/blobs/uploads",
        "tags/list",
        "demo/referrers",
    ] {
        registry.create(name).await;
        let image = Image::new(1);
        let digest = registry.push(name, "latest", &image).await;
        registry
            .get(&format!("/v2/{name}/manifests/{digest}"))
            .send()
            .await
            .is(200);
        registry
            .get(&format!("/v2/{name}/blobs/{}", sha256(&image.blobs[0])))
            .send()
            .await
            .is(200);
        let tags = registry.get(&format!("/v2/{name}/tags/list")).send().await;
        assert_eq!(tags.json()["name"], name);
        registry
            .get(&format!("/v2/{name}/referrers/{digest}"))
            .send()
            .await
            .is(200);
    }
}

#[tokio::test]
async fn an_encoded_path_is_decoded_once() {
    let registry = Registry::start().await;
    let blob = bytes(1, 10);
    let digest = registry.push_blob("demo", &blob).await;

    let encoded = digest.replace(':', "%3A");
    registry
        .get(&format!("/v2/demo/blobs/{encoded}"))
        .send()
        .await
        .is(200);
    registry
        .get(&format!("/v2/d%65mo/blobs/{digest}"))
        .send()
        .await
        .is(200);
    let twice = digest.replace(':', "%253A");
    registry
        .get(&format!("/v2/demo/blobs/{twice}"))
        .send()
        .await
        .refuses(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn a_blob_is_read_through_a_repository_that_holds_it_only() {
    let registry = Registry::start().await;
    registry.create("other").await;
    let digest = registry.push_blob("demo", &bytes(1, 100_000)).await;

    let path = format!("/v2/other/blobs/{digest}");
    registry.get(&path).send().await.refuses(404, "BLOB_UNKNOWN");
    registry.head(&path).send().await.is(404);
    registry.delete(&path).send().await.refuses(404, "BLOB_UNKNOWN");
    registry
        .get(&format!("/v2/demo/blobs/{digest}"))
        .send()
        .await
        .is(200);
}

#[tokio::test]
async fn the_same_bytes_are_two_blobs_under_two_algorithms() {
    let registry = Registry::start().await;
    let blob = bytes(1, 100);
    let [first, second] = ALGORITHMS.map(|algorithm| digest(algorithm, &blob));
    registry.push_blob_as(ALGORITHMS[0], "demo", &blob).await;

    registry
        .get(&format!("/v2/demo/blobs/{first}"))
        .send()
        .await
        .is(200);
    registry
        .get(&format!("/v2/demo/blobs/{second}"))
        .send()
        .await
        .refuses(404, "BLOB_UNKNOWN");
}
