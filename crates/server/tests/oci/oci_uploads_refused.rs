//! Invalid chunks, uploads that do not exist, and clients that disconnect.

use crate::client::Registry;
use crate::content::{bytes, sha256};
use crate::oci_uploads::{holds, is_unknown};

const UNKNOWN_ID: &str = "01234567-89ab-4cde-8f01-23456789abcd";

#[tokio::test]
async fn a_content_range_that_is_none_is_refused() {
    let registry = Registry::start().await;
    let location = registry.begin_upload().await;
    for range in [
        "",
        "0",
        "0-",
        "-4",
        "4-0",
        "bytes 0-4",
        "bytes=0-4",
        "0-4/5",
        "a-b",
        "0-4,5-9",
        "0-99999999999999999999",
    ] {
        let reply = registry
            .patch(&location)
            .header("Content-Range", range)
            .body("01234")
            .send()
            .await;
        reply.refuses(400, "BLOB_UPLOAD_INVALID");
    }
    for range in ["0-3", "0-5", "0-0"] {
        let reply = registry
            .patch(&location)
            .header("Content-Range", range)
            .body("01234")
            .send()
            .await;
        reply.refuses(400, "SIZE_INVALID");
    }
    holds(&registry.get(&location).send().await, 204, "0-0");
}

#[tokio::test]
async fn a_chunk_of_unannounced_length_must_be_as_long_as_its_range() {
    let registry = Registry::start().await;
    let location = registry.begin_upload().await;
    for range in ["0-3", "0-9"] {
        let reply = registry
            .patch(&location)
            .header("Transfer-Encoding", "chunked")
            .header("Content-Range", range)
            .body("5\r\n01234\r\n0\r\n\r\n")
            .send()
            .await;
        assert!(
            (400..500).contains(&reply.status),
            "{range} gave {}",
            reply.status
        );
        holds(&registry.get(&location).send().await, 204, "0-0");
    }
    let chunk = registry
        .patch(&location)
        .header("Transfer-Encoding", "chunked")
        .header("Content-Range", "0-4");
    holds(&chunk.body("5\r\n01234\r\n0\r\n\r\n").send().await, 202, "0-4");
}

#[tokio::test]
async fn an_id_that_is_not_of_an_upload_is_unknown() {
    let registry = Registry::start().await;
    for id in [
        UNKNOWN_ID,
        "x",
        "..",
        "%2e%2e",
        "a%5Cb",
        &UNKNOWN_ID.replace('-', ""),
        &"a".repeat(5000),
    ] {
        is_unknown(&registry, &format!("/v2/demo/blobs/uploads/{id}")).await;
    }
    let location = format!("/v2/absent/blobs/uploads/{UNKNOWN_ID}");
    registry.get(&location).send().await.refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn an_upload_is_known_in_its_own_repository_only() {
    let registry = Registry::start().await;
    registry.create("other").await;
    let location = registry.begin_upload().await;
    is_unknown(&registry, &location.replace("/demo/", "/other/")).await;
    holds(&registry.get(&location).send().await, 204, "0-0");

    let other_region = "123456789012.dkr.ecr.us-east-1.localhost";
    registry
        .get(&location)
        .host(other_region)
        .send()
        .await
        .refuses(403, "DENIED");
}

#[tokio::test]
async fn an_upload_whose_sender_goes_away_is_never_finished() {
    let registry = Registry::start().await;
    let blob = bytes(1, 1000);
    let digest = sha256(&blob);
    let location = registry.begin_upload().await;
    let path = location
        .strip_prefix(&format!("http://{}", registry.authority()))
        .unwrap();

    // The digest matches the sent bytes, but they are fewer than announced.
    for target in [
        format!("PUT {path}?digest={digest}"),
        format!("POST /v2/demo/blobs/uploads/?digest={digest}"),
    ] {
        let head = format!(
            "{target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic dGVzdDp0ZXN0\r\nContent-Length: 1001\r\n\r\n"
        );
        let said = registry.cut(&[head.as_bytes(), &blob].concat()).await;
        assert!(
            !String::from_utf8_lossy(&said).starts_with("HTTP/1.1 2"),
            "{}",
            String::from_utf8_lossy(&said)
        );
        registry
            .head(&format!("/v2/demo/blobs/{digest}"))
            .send()
            .await
            .is(404);
    }
}
