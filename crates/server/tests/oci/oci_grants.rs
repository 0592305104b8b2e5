//! Download grants: the address from `GetDownloadUrlForLayer` gives access to one blob only.

use serde_json::json;

use crate::client::Registry;
use crate::content::{Image, sha256};

/// A registry with an image, the digest of its layer, and a granted address for the layer.
async fn granted() -> (Registry, Image, String, String) {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push("demo", "1.0", &image).await;
    let layer = sha256(&image.blobs[1]);
    let input = json!({ "repositoryName": "demo", "layerDigest": layer });
    let answer = registry.aws("GetDownloadUrlForLayer", input).await;
    let address = answer["downloadUrl"].as_str().unwrap().to_owned();
    (registry, image, layer, address)
}

#[tokio::test]
async fn a_granted_address_opens_its_blob_without_credentials() {
    let (registry, image, layer, address) = granted().await;
    let reply = registry.get(&address).anonymously().send().await;
    assert_eq!(
        reply.is(200).has("docker-content-digest", &layer).body,
        image.blobs[1]
    );
    let head = registry.head(&address).anonymously().send().await;
    head.is(200)
        .has("content-length", &image.blobs[1].len().to_string());
    let part = registry
        .get(&address)
        .anonymously()
        .header("Range", "bytes=1-3")
        .send()
        .await;
    assert_eq!(part.is(206).body, image.blobs[1][1..=3]);
}

#[tokio::test]
async fn a_grant_opens_nothing_else() {
    let (registry, image, layer, address) = granted().await;
    registry.create("other").await;
    registry.push("other", "1.0", &image).await;
    let path = address
        .strip_prefix(&format!("http://{}", registry.authority()))
        .unwrap();
    let grant = path.split_once('?').unwrap().1;
    let config = sha256(&image.blobs[0]);

    for other in [
        path.replace("/demo/", "/other/"),
        path.replace(&layer, &config),
        path.replace("/demo/", "/absent/"),
        format!("/v2/demo/manifests/1.0?{grant}"),
        format!("/v2/demo/manifests/{layer}?{grant}"),
        format!("/v2/demo/tags/list?{grant}"),
        format!("/v2/demo/referrers/{layer}?{grant}"),
        format!("/v2/_catalog?{grant}"),
        format!("/v2/?{grant}"),
    ] {
        registry
            .get(&other)
            .anonymously()
            .send()
            .await
            .refuses(401, "UNAUTHORIZED");
    }
    for method in ["DELETE", "PUT", "POST", "PATCH"] {
        registry
            .ask(method, path)
            .anonymously()
            .send()
            .await
            .refuses(401, "UNAUTHORIZED");
    }
    registry.get(path).anonymously().send().await.is(200);
}

#[tokio::test]
async fn a_grant_is_good_for_its_hour_alone_and_not_after_the_clock_was_moved_back() {
    let registry = Registry::start().await;
    registry.freeze("2030-01-01T12:00:00Z").await;
    let image = Image::new(1);
    registry.push("demo", "1.0", &image).await;
    let input = json!({ "repositoryName": "demo", "layerDigest": sha256(&image.blobs[1]) });
    let answer = registry.aws("GetDownloadUrlForLayer", input).await;
    let address = answer["downloadUrl"].as_str().unwrap().to_owned();
    for (at, status) in [
        ("2030-01-01T12:59:59.999Z", 200),
        ("2030-01-01T13:00:00Z", 401),
        ("2030-01-01T11:59:59.999Z", 401),
        ("2029-12-31T12:00:00Z", 401),
        ("2030-01-01T12:00:00Z", 200),
    ] {
        registry.freeze(at).await;
        let reply = registry.get(&address).anonymously().send().await;
        assert_eq!(reply.status, status, "{at}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_grant_that_was_touched_opens_nothing() {
    let (registry, _, _, address) = granted().await;
    let (path, grant) = address.split_once("grant=").unwrap();
    for at in (0..grant.len()).step_by(5) {
        let mut bytes = grant.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let touched = format!("{path}grant={}", String::from_utf8(bytes).unwrap());
        registry
            .get(&touched)
            .anonymously()
            .send()
            .await
            .refuses(401, "UNAUTHORIZED");
    }
    for touched in [
        &grant[..grant.len() - 1],
        &grant[1..],
        "",
        &format!("{grant}{grant}"),
        &"A".repeat(4000),
    ] {
        let reply = registry
            .get(&format!("{path}grant={touched}"))
            .anonymously()
            .send()
            .await;
        reply.refuses(401, "UNAUTHORIZED");
    }
}
