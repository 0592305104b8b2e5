//! Pushing a blob in one piece: with one POST, and with a POST and a PUT.

use crate::client::Registry;
use crate::content::{ALGORITHMS, bytes, digest, sha256};

const SIZES: [usize; 5] = [0, 1, 65_536, 65_537, 1_500_000];

#[tokio::test]
async fn a_blob_is_pushed_with_one_post() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        for size in SIZES {
            let blob = bytes(size as u64, size);
            let digest = digest(algorithm, &blob);
            let reply = registry
                .post(&format!("/v2/demo/blobs/uploads/?digest={digest}"))
                .header("Content-Type", "application/octet-stream")
                .body(&*blob)
                .send()
                .await;
            reply.is(201).has("docker-content-digest", &digest);
            let pulled = registry.get(reply.header("location").unwrap()).send().await;
            assert!(pulled.is(200).body == blob, "{size} bytes under {algorithm}");
        }
    }
}

#[tokio::test]
async fn a_blob_is_pushed_with_a_post_and_a_put() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        for size in SIZES {
            let blob = bytes(size as u64, size);
            let digest = digest(algorithm, &blob);
            let location = registry.begin_upload().await;
            let reply = registry
                .put(&format!("{location}?digest={digest}"))
                .header("Content-Type", "application/octet-stream")
                .body(&*blob)
                .send()
                .await;
            reply.is(201).has("docker-content-digest", &digest);
            let pulled = registry.get(reply.header("location").unwrap()).send().await;
            assert!(pulled.is(200).body == blob, "{size} bytes under {algorithm}");
            registry
                .get(&location)
                .send()
                .await
                .refuses(404, "BLOB_UPLOAD_UNKNOWN");
        }
    }
}

#[tokio::test]
async fn a_blob_whose_length_is_not_announced_is_stored_whole() {
    let registry = Registry::start().await;
    let blob = bytes(1, 100_000);
    let mut body = Vec::new();
    for piece in blob.chunks(30_000) {
        body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        body.extend_from_slice(piece);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let digest = sha256(&blob);
    let reply = registry
        .post(&format!("/v2/demo/blobs/uploads/?digest={digest}"))
        .header("Transfer-Encoding", "chunked")
        .body(body)
        .send()
        .await;
    reply.is(201);
    assert!(
        registry
            .get(&format!("/v2/demo/blobs/{digest}"))
            .send()
            .await
            .is(200)
            .body
            == blob
    );
}

#[tokio::test]
async fn bytes_that_are_not_of_their_digest_are_refused_and_not_stored() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        for size in [10, 100_000] {
            let digest = digest(algorithm, &bytes(1, size));
            let wrong = bytes(2, size);

            let one = registry.post(&format!("/v2/demo/blobs/uploads/?digest={digest}"));
            one.body(&*wrong).send().await.refuses(400, "DIGEST_INVALID");
            let location = registry.begin_upload().await;
            let two = registry.put(&format!("{location}?digest={digest}"));
            two.body(&*wrong).send().await.refuses(400, "DIGEST_INVALID");

            registry
                .head(&format!("/v2/demo/blobs/{digest}"))
                .send()
                .await
                .is(404);
            let actual = sha256(&wrong);
            registry
                .head(&format!("/v2/demo/blobs/{actual}"))
                .send()
                .await
                .is(404);
        }
    }
}

#[tokio::test]
async fn a_digest_that_is_none_is_refused() {
    let registry = Registry::start().await;
    let upper = sha256(b"x").to_uppercase().replace("SHA256", "sha256");
    let hex = "0".repeat(64);
    let location = registry.begin_upload().await;
    for digest in [
        "sha256:baddigeststring",
        "sha256:",
        ":",
        "latest",
        &upper,
        &format!("md5:{}", "0".repeat(32)),
        &format!("sha1:{}", "0".repeat(40)),
        &format!("sha512:{hex}"),
        &format!("sha256:{hex}0"),
        &format!("SHA256:{hex}"),
        &format!("%20sha256:{hex}"),
        &format!("sha256:{hex}%0A"),
    ] {
        let one = registry
            .post(&format!("/v2/demo/blobs/uploads/?digest={digest}"))
            .body("x")
            .send()
            .await;
        let two = registry
            .put(&format!("{location}?digest={digest}"))
            .body("x")
            .send()
            .await;
        for reply in [one, two] {
            reply.refuses(400, "DIGEST_INVALID");
        }
    }
    registry
        .put(&location)
        .body("x")
        .send()
        .await
        .refuses(400, "DIGEST_INVALID");
    registry.get(&location).send().await.is(204).has("range", "0-0");
}

#[tokio::test]
async fn a_blob_that_is_there_can_be_pushed_again() {
    let registry = Registry::start().await;
    let blob = bytes(1, 70_000);
    let first = registry.push_blob("demo", &blob).await;
    let second = registry.push_blob("demo", &blob).await;
    assert_eq!(first, second);
    assert!(
        registry
            .get(&format!("/v2/demo/blobs/{first}"))
            .send()
            .await
            .is(200)
            .body
            == blob
    );
}

#[tokio::test]
async fn many_clients_may_push_the_same_blob_at_once() {
    let registry = Registry::start().await;
    let blob = bytes(1, 200_000);
    let push = || registry.push_blob("demo", &blob);
    let digests = tokio::join!(push(), push(), push(), push(), push());
    assert_eq!(digests.0, digests.4);
    assert!(
        registry
            .get(&format!("/v2/demo/blobs/{}", digests.0))
            .send()
            .await
            .is(200)
            .body
            == blob
    );
}

#[tokio::test]
async fn a_push_to_a_repository_that_is_not_there_is_refused() {
    let registry = Registry::start().await;
    let digest = sha256(b"x");
    registry
        .post("/v2/absent/blobs/uploads/")
        .send()
        .await
        .refuses(404, "NAME_UNKNOWN");
    let one = registry
        .post(&format!("/v2/absent/blobs/uploads/?digest={digest}"))
        .body("x");
    one.send().await.refuses(404, "NAME_UNKNOWN");
    let mount = registry.post(&format!("/v2/absent/blobs/uploads/?mount={digest}&from=demo"));
    mount.send().await.refuses(404, "NAME_UNKNOWN");
    registry
        .put_manifest("absent", "1.0", b"{}")
        .await
        .refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn encoded_content_is_refused_instead_of_expanded() {
    let registry = Registry::start().await;
    let digest = sha256(b"x");
    let location = registry.begin_upload().await;
    for request in [
        registry.post(&format!("/v2/demo/blobs/uploads/?digest={digest}")),
        registry.patch(&location),
        registry.put(&format!("{location}?digest={digest}")),
        registry.put("/v2/demo/manifests/1.0"),
    ] {
        request
            .header("Content-Encoding", "gzip")
            .body("x")
            .send()
            .await
            .refuses(415, "UNSUPPORTED");
    }
    registry.get(&location).send().await.is(204).has("range", "0-0");
}
