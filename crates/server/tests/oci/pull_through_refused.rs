//! Content that the cache refuses, and upstreams that it does not contact.

use ecru_registry::QuotaSetting;
use serde_json::json;

use crate::client::Registry;
use crate::content::{Image, bytes, sha256};
use crate::pull_through::large;
use crate::upstream::{Door, FakeUpstream};

async fn blobs_kept(registry: &Registry) -> usize {
    let listed = registry.get("/_ecru/blobs").anonymously().send().await;
    listed.json()["blobs"].as_array().unwrap().len()
}

async fn get_raw(registry: &Registry, target: &str) -> Vec<u8> {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n\r\n",
        registry.authority()
    );
    registry.raw(request.as_bytes()).await
}

/// Checks that the cache has no manifest of `library/app` under this reference.
async fn has_no_manifest(registry: &Registry, reference: &str) {
    let target = format!("/v2/hub/library/app/manifests/{reference}");
    let refused = registry.get(&target).send().await;
    refused.refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_layer_of_another_digest_is_cut_before_its_end_and_not_kept() {
    let upstream = FakeUpstream::start().await;
    let image = large(1);
    let layer = sha256(&image.blobs[1]);
    let other = bytes(2, image.blobs[1].len());
    upstream.put_blob("library/app", &layer, &other);
    let registry = upstream.cached(&[]).await;

    let said = get_raw(&registry, &format!("/v2/hub/library/app/blobs/{layer}")).await;
    let end = said.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&said[..end]);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let given = &said[end..];
    assert!(given.len() <= other.len() - 64 * 1024, "{}", given.len());
    assert_eq!(blobs_kept(&registry).await, 0);

    let small = sha256(b"small");
    upstream.put_blob("library/app", &small, b"other");
    let target = format!("/v2/hub/library/app/blobs/{small}");
    registry.get(&target).send().await.refuses(404, "BLOB_UNKNOWN");
    assert_eq!(blobs_kept(&registry).await, 0);
}

#[tokio::test]
async fn a_manifest_that_is_too_long_or_none_at_all_is_not_taken() {
    let upstream = FakeUpstream::start().await;
    let long = Image::with(1, |manifest| {
        manifest["annotations"] = json!({ "long": "x".repeat(4 * 1024 * 1024) });
    });
    upstream.push("library/app", "long", &long);
    upstream.push_index("library/app", "broken", b"{}");
    let registry = upstream.cached(&[]).await;
    for tag in ["long", "broken"] {
        has_no_manifest(&registry, tag).await;
    }
}

#[tokio::test]
async fn what_is_missing_or_denied_upstream_looks_as_the_service_shows_it() {
    let upstream = FakeUpstream::start().await;
    let image = Image::new(1);
    upstream.push("library/app", "1.0", &image);
    upstream.fail("/v2/library/app/manifests/denied", 403);
    upstream.fail("/v2/library/app/manifests/busy", 429);
    let registry = upstream.cached(&[]).await;
    let get = async |target: &str| registry.get(target).send().await;

    get("/v2/hub/library/none/manifests/1.0")
        .await
        .refuses(404, "NAME_UNKNOWN");
    get("/v2/hub/library/app/manifests/1.0").await.is(200);
    let missing = get("/v2/hub/library/app/manifests/2.0").await;
    assert_eq!(
        missing.refuses(404, "MANIFEST_UNKNOWN").message(),
        "Requested image not found"
    );
    let denied = get("/v2/hub/library/app/manifests/denied").await;
    let message = denied.refuses(403, "DENIED").message();
    assert!(
        message.starts_with("The authentication to the upstream registry failed. Verify that the credenti"),
        "{message}"
    );
    has_no_manifest(&registry, "busy").await;
    let absent = format!("/v2/hub/library/app/blobs/{}", sha256(b"nothing"));
    get(&absent).await.refuses(404, "BLOB_UNKNOWN");
    registry.head(&absent).send().await.is(404);
    get("/v2/other/library/app/manifests/1.0")
        .await
        .refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn a_token_service_at_a_private_address_is_not_asked() {
    let upstream = FakeUpstream::start().await;
    upstream.guard(Door::Bearer("https://127.0.0.1:1/token".to_owned()));
    upstream.push("library/app", "1.0", &Image::new(1));
    let registry = upstream.cached(&[]).await;
    let rule = json!({ "ecrRepositoryPrefix": "hub" });
    let validated = registry.aws("ValidatePullThroughCacheRule", rule).await;
    assert_eq!(validated["isValid"], false);
    assert_eq!(
        validated["failure"],
        "the upstream registry must not be asked: its address is not public"
    );
}

#[tokio::test]
async fn nobody_is_asked_whom_the_operator_did_not_name() {
    let (upstream, inner) = (FakeUpstream::start().await, FakeUpstream::start().await);
    let image = Image::new(1);
    let digest = inner.push("secret", "1.0", &image);
    let port = inner.address.port();
    let registry = upstream.cached(&[]).await;
    for (number, host) in [
        "http://127.0.0.1",
        "http://localhost",
        "https://127.0.0.1",
        "https://localhost",
        "https://[::ffff:127.0.0.1]",
        "https://2130706433",
    ]
    .iter()
    .enumerate()
    {
        let to = format!("{host}:{port}/v2/secret/manifests/{digest}");
        upstream.redirect(&format!("/v2/library/app/manifests/{number}"), &to);
        has_no_manifest(&registry, &number.to_string()).await;
    }
    upstream.guard(Door::Bearer(format!("{}/token", inner.url())));
    let target = format!("/v2/hub/library/app/manifests/{digest}");
    registry
        .get(&target)
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn an_upstream_does_not_lead_to_a_place_that_was_named_for_another() {
    let upstream = FakeUpstream::start().await;
    let (mirror, allowed) = (FakeUpstream::start().await, FakeUpstream::start().await);
    let image = Image::new(1);
    let mut upstreams = upstream.as_hub();
    upstreams.redirected.push(("quay.io".to_owned(), mirror.base()));
    upstreams.allowed.push(allowed.address.to_string());
    let registry = upstream
        .cached_with(|options| options.upstreams = upstreams)
        .await;
    for (number, other) in [&mirror, &allowed].into_iter().enumerate() {
        let digest = other.push("secret", "1.0", &image);
        let to = format!("{}/v2/secret/manifests/{digest}", other.url());
        upstream.redirect(&format!("/v2/library/app/manifests/{number}"), &to);
        has_no_manifest(&registry, &number.to_string()).await;
        upstream.guard(Door::Bearer(format!("{}/token", other.url())));
        has_no_manifest(&registry, &format!("other-{number}")).await;
        upstream.guard(Door::Open);
        assert_eq!(other.connections(), 0);
    }
}

#[tokio::test]
async fn no_more_of_a_layer_is_taken_than_its_manifest_says_or_else_the_quota() {
    let upstream = FakeUpstream::start().await;
    let image = large(1);
    let layer = sha256(&image.blobs[1]);
    upstream.push("library/app", "1.0", &image);
    let quota = "layer-bytes=3000000".parse::<QuotaSetting>().unwrap();
    let registry = upstream
        .cached_with(|options| {
            options.upstreams = upstream.as_hub();
            options.quotas = options.quotas.with(quota);
        })
        .await;
    let get = async |digest: &str| {
        let target = format!("/v2/hub/library/app/blobs/{digest}");
        let answer = registry.get(&target).send().await;
        answer.refuses(404, "BLOB_UNKNOWN").message().clone()
    };
    // No manifest names this blob.
    let unknown = sha256(b"unknown");
    for announced in [None, Some(1 << 40)] {
        upstream.put_endless("library/app", &unknown, announced);
        let said = get(&unknown).await;
        assert!(said.contains("a layer that is too large"), "{said}");
    }
    let before = upstream.endless_bytes();
    upstream.put_endless("library/app", &layer, None);
    let manifest = registry.get("/v2/hub/library/app/manifests/1.0").send().await;
    manifest.is(200);
    for announced in [None, Some(1 << 40), Some(2_000_000)] {
        upstream.put_endless("library/app", &layer, announced);
        let said = get(&layer).await;
        assert!(said.contains("larger than its manifest says"), "{said}");
    }
    // Bytes in the buffers of the connections are sent in vain, so the limit is generous.
    assert!(upstream.endless_bytes() - before < 64 << 20);
    // The config may have been stored.
    assert!(blobs_kept(&registry).await <= 1);
}

#[tokio::test]
async fn redirections_come_to_an_end() {
    let upstream = FakeUpstream::start().await;
    upstream.redirect("/v2/library/app/manifests/1.0", "/v2/library/app/manifests/1.0");
    let registry = upstream.cached(&[]).await;
    upstream.asked();
    has_no_manifest(&registry, "1.0").await;
    assert_eq!(upstream.asked().len(), 6);
}

#[tokio::test]
async fn a_manifest_with_two_readings_is_not_taken_from_upstream_either() {
    let upstream = FakeUpstream::start().await;
    let other = Image::with(1, |manifest| manifest["Layers"] = json!([]));
    let digest = upstream.push("library/app", "1.0", &other);
    let registry = upstream.cached(&[]).await;
    for reference in ["1.0", &digest] {
        has_no_manifest(&registry, reference).await;
    }
}
