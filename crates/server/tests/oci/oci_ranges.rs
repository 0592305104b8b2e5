//! Ranges of blobs by RFC 9110, for small and large blobs, which are stored differently.

use crate::client::Registry;
use crate::content::{ALGORITHMS, bytes};

#[tokio::test]
async fn one_range_is_answered_with_its_part() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        for size in [2048, 200_000] {
            let blob = bytes(7, size);
            let digest = registry.push_blob_as(algorithm, "demo", &blob).await;
            let path = format!("/v2/demo/blobs/{digest}");
            for (range, first, last) in [
                ("bytes=500-1499", 500, 1499),
                ("bytes=500-", 500, size - 1),
                ("bytes=-500", size - 500, size - 1),
                ("bytes=0-0", 0, 0),
                (&format!("bytes={}-", size - 1), size - 1, size - 1),
                (&format!("bytes=2000-{}", size * 3), 2000, size - 1),
                (&format!("bytes=-{}", size * 3), 0, size - 1),
            ] {
                let reply = registry.get(&path).header("Range", range).send().await;
                reply
                    .is(206)
                    .has("content-range", &format!("bytes {first}-{last}/{size}"));
                reply.has("docker-content-digest", &digest);
                assert!(reply.body == blob[first..=last], "{range} of {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_range_outside_the_blob_cannot_be_satisfied() {
    let registry = Registry::start().await;
    let digest = registry.push_blob("demo", &bytes(7, 2048)).await;
    for range in [
        "bytes=500-0",
        "bytes=5000-10000",
        "bytes=2048-",
        "bytes=-0",
        "bytes=x-y",
        "bytes=",
        "7",
    ] {
        let reply = registry
            .get(&format!("/v2/demo/blobs/{digest}"))
            .header("Range", range)
            .send()
            .await;
        reply
            .refuses(416, "SIZE_INVALID")
            .has("content-range", "bytes */2048");
    }
}

#[tokio::test]
async fn several_ranges_and_other_units_are_answered_in_full() {
    let registry = Registry::start().await;
    let blob = bytes(7, 2048);
    let digest = registry.push_blob("demo", &blob).await;
    for range in ["bytes=0-1,4-5", "bytes=-1, 0-0", "lines=1-2"] {
        let reply = registry
            .get(&format!("/v2/demo/blobs/{digest}"))
            .header("Range", range)
            .send()
            .await;
        reply.is(200);
        assert!(reply.body == blob);
    }
}

#[tokio::test]
async fn a_range_that_rests_on_another_content_is_answered_in_full() {
    let registry = Registry::start().await;
    let digest = registry.push_blob("demo", &bytes(7, 2048)).await;
    let ask = || {
        registry
            .get(&format!("/v2/demo/blobs/{digest}"))
            .header("Range", "bytes=1-2")
    };

    ask()
        .header("If-Range", &format!("\"{digest}\""))
        .send()
        .await
        .is(206);
    ask().header("If-Range", "\"sha256:00\"").send().await.is(200);
}

#[tokio::test]
async fn a_range_of_an_empty_blob_is_the_empty_blob() {
    let registry = Registry::start().await;
    let digest = registry.push_blob("demo", b"").await;
    let reply = registry
        .get(&format!("/v2/demo/blobs/{digest}"))
        .header("Range", "bytes=0-")
        .send()
        .await;
    reply.is(200).has("content-length", "0");
}

#[tokio::test]
async fn a_pull_that_broke_off_can_be_resumed() {
    let registry = Registry::start().await;
    let blob = bytes(9, 300_000);
    let digest = registry.push_blob("demo", &blob).await;
    let mut held = Vec::new();
    while held.len() < blob.len() {
        let range = format!("bytes={}-{}", held.len(), held.len() + 70_000);
        let reply = registry
            .get(&format!("/v2/demo/blobs/{digest}"))
            .header("Range", &range)
            .send()
            .await;
        held.extend_from_slice(&reply.is(206).body);
    }
    assert!(held == blob);
}
