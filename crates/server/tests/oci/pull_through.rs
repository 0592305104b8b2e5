//! Pulls through the cache from another registry, with real HTTP on both sides.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Registry;
use crate::content::{CONFIG, LAYER, MANIFEST};
use crate::content::{Image, bytes, descriptor, index, sha256};
use crate::upstream::{BASIC, Door, FakeUpstream, SECRET};

const MEBIBYTE: usize = 1024 * 1024;

/// An image whose layer is large enough to be streamed.
pub(crate) fn large(seed: u64) -> Image {
    let config = format!("{{\"seed\":{seed}}}").into_bytes();
    let layer = bytes(seed, MEBIBYTE);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &sha256(&config), config.len()),
        "layers": [descriptor(LAYER, &sha256(&layer), layer.len())],
    });
    Image {
        manifest: manifest.to_string().into_bytes(),
        blobs: vec![config, layer],
    }
}

async fn pull(registry: &Registry, name: &str, reference: &str, image: &Image) {
    let target = format!("/v2/{name}/manifests/{reference}");
    let manifest = registry.get(&target).send().await;
    manifest
        .is(200)
        .has("docker-content-digest", &image.digest())
        .has("content-type", MANIFEST);
    assert_eq!(manifest.body, image.manifest);
    for blob in &image.blobs {
        let target = format!("/v2/{name}/blobs/{}", sha256(blob));
        let got = registry.get(&target).send().await;
        got.is(200);
        assert!(got.body == *blob, "a blob of {} bytes", blob.len());
    }
}

#[tokio::test]
async fn an_image_comes_from_upstream_and_stays_when_that_is_gone() {
    let upstream = FakeUpstream::start().await;
    upstream.guard(Door::Bearer(format!("{}/token", upstream.url())));
    let image = large(1);
    upstream.push("library/app", "1.0", &image);
    let registry = upstream.cached(&[]).await;

    let head = registry.head("/v2/hub/library/app/manifests/1.0").send().await;
    head.is(200).has("docker-content-digest", &image.digest());
    pull(&registry, "hub/library/app", "1.0", &image).await;
    registry.settle().await;
    upstream.stop();
    pull(&registry, "hub/library/app", "1.0", &image).await;
    pull(&registry, "hub/library/app", &image.digest(), &image).await;
    let tags = registry.get("/v2/hub/library/app/tags/list").send().await;
    assert_eq!(tags.json()["tags"], json!(["1.0"]));
}

#[tokio::test]
async fn the_first_pull_of_an_image_is_recorded_and_a_look_is_not() {
    let upstream = FakeUpstream::start().await;
    let (pulled, seen) = (Image::new(1), Image::new(2));
    upstream.push("library/app", "pulled", &pulled);
    upstream.push("library/app", "seen", &seen);
    let registry = upstream.cached(&[]).await;

    pull(&registry, "hub/library/app", "pulled", &pulled).await;
    let look = registry.head("/v2/hub/library/app/manifests/seen").send().await;
    look.is(200);
    registry.settle().await;

    for (tag, expected) in [("pulled", true), ("seen", false)] {
        let input = json!({ "repositoryName": "hub/library/app", "imageIds": [{ "imageTag": tag }] });
        let described = registry.aws("DescribeImages", input).await;
        let time = &described["imageDetails"][0]["lastRecordedPullTime"];
        assert_eq!(time.is_number(), expected, "{tag}: {described}");
    }
}

#[tokio::test]
async fn credentials_go_to_the_upstream_and_its_own_tokens_only() {
    let upstream = FakeUpstream::start().await;
    upstream.guard(Door::Bearer(format!("{}/token", upstream.url())));
    let image = Image::new(1);
    upstream.push("library/app", "1.0", &image);
    let registry = upstream.cached(&[]).await;
    pull(&registry, "hub/library/app", "1.0", &image).await;

    let asked = upstream.asked();
    let token = asked
        .iter()
        .find(|asked| asked.what.starts_with("GET /token?"))
        .unwrap();
    assert_eq!(token.authorization.as_deref(), Some(BASIC));
    assert!(
        token.what.contains("scope=repository%3Alibrary%2Fapp%3Apull"),
        "{}",
        token.what
    );
    let others = asked
        .iter()
        .filter(|asked| !asked.what.starts_with("GET /token?"));
    for other in others {
        assert_ne!(other.authorization.as_deref(), Some(BASIC), "{}", other.what);
    }
}

#[tokio::test]
async fn a_realm_on_another_host_is_asked_without_credentials() {
    let (upstream, tokens) = (FakeUpstream::start().await, FakeUpstream::start().await);
    upstream.guard(Door::Bearer(format!("{}/token", tokens.url())));
    let image = Image::new(1);
    upstream.push("library/app", "1.0", &image);
    let registry = upstream.cached(&[&tokens]).await;
    pull(&registry, "hub/library/app", "1.0", &image).await;

    let asked = tokens.asked();
    assert!(!asked.is_empty());
    for asked in asked {
        assert_eq!(asked.authorization, None, "{}", asked.what);
    }
}

#[tokio::test]
async fn a_registry_may_want_a_password_itself() {
    let upstream = FakeUpstream::start().await;
    upstream.guard(Door::Basic);
    let image = Image::new(1);
    upstream.push("library/app", "1.0", &image);
    let registry = upstream.cached(&[]).await;
    pull(&registry, "hub/library/app", "1.0", &image).await;
    let rule = json!({ "ecrRepositoryPrefix": "hub" });
    assert_eq!(
        registry.aws("ValidatePullThroughCacheRule", rule).await["isValid"],
        true
    );
}

#[tokio::test]
async fn a_redirection_to_another_host_takes_no_credentials_along() {
    let (upstream, storage) = (FakeUpstream::start().await, FakeUpstream::start().await);
    upstream.guard(Door::Basic);
    let image = large(1);
    upstream.push("library/app", "1.0", &image);
    let layer = sha256(&image.blobs[1]);
    storage.put_blob("stored", &layer, &image.blobs[1]);
    upstream.redirect(
        &format!("/v2/library/app/blobs/{layer}"),
        &format!("{}/v2/stored/blobs/{layer}?signature=1", storage.url()),
    );
    let registry = upstream.cached(&[&storage]).await;
    pull(&registry, "hub/library/app", "1.0", &image).await;
    let asked = storage.asked();
    assert!(!asked.is_empty());
    for asked in asked {
        assert_eq!(asked.authorization, None, "{}", asked.what);
    }
}

#[tokio::test]
async fn a_layer_is_given_on_while_it_comes_in() {
    let upstream = FakeUpstream::start().await;
    let image = large(1);
    upstream.push("library/app", "1.0", &image);
    let registry = upstream.cached(&[]).await;
    let gate = upstream.gate();

    let mut client = TcpStream::connect(registry.authority()).await.unwrap();
    let layer = sha256(&image.blobs[1]);
    let request = format!(
        "GET /v2/hub/library/app/blobs/{layer} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Basic \
         dGVzdDp0ZXN0\r\n\r\n",
        registry.authority()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    // Half of the layer has arrived. All of that except the last 64 KiB is forwarded.
    let mut given = vec![0; MEBIBYTE / 2 - 64 * 1024];
    client.read_exact(&mut given).await.unwrap();
    gate.notify_waiters();
    gate.notify_one();
    client.read_to_end(&mut given).await.unwrap();
    assert!(given.ends_with(&image.blobs[1]));
}

#[tokio::test]
async fn clients_that_come_together_are_all_given_the_layer() {
    let upstream = FakeUpstream::start().await;
    let image = large(3);
    upstream.push("library/app", "1.0", &image);
    let registry = upstream.cached(&[]).await;
    let pulls = (0..8).map(|_| pull(&registry, "hub/library/app", "1.0", &image));
    let mut pulls = pulls.map(Box::pin).collect::<Vec<_>>();
    std::future::poll_fn(|context| {
        pulls.retain_mut(|pull| pull.as_mut().poll(context).is_pending());
        if pulls.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    registry.settle().await;
    assert_eq!(times_asked(&upstream, &image.blobs[1]), 1);
    upstream.stop();
    pull(&registry, "hub/library/app", "1.0", &image).await;
}

/// The number of upstream requests for a blob.
fn times_asked(upstream: &FakeUpstream, blob: &[u8]) -> usize {
    let wanted = format!("GET /v2/library/app/blobs/{}", sha256(blob));
    let asked = upstream.asked();
    asked.iter().filter(|asked| asked.what == wanted).count()
}

async fn begin_to_get(registry: &Registry, blob: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(registry.authority()).await.unwrap();
    let request = format!(
        "GET /v2/hub/library/app/blobs/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Basic \
         dGVzdDp0ZXN0\r\n\r\n",
        sha256(blob),
        registry.authority()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn a_layer_is_fetched_once_however_many_clients_give_up() {
    let upstream = FakeUpstream::start().await;
    let image = large(7);
    upstream.push("library/app", "1.0", &image);
    let registry = upstream.cached(&[]).await;
    let gate = upstream.gate();
    for _ in 0..30 {
        let client = begin_to_get(&registry, &image.blobs[1]).await;
        // The first client may receive bytes already; the others wait for the same download.
        let _ = client.try_read(&mut [0; 1]);
    }
    let target = format!("/v2/hub/library/app/blobs/{}", sha256(&image.blobs[1]));
    let opening = async {
        // Half of the layer has been fetched, so this request joins a running download.
        while upstream.asked_so_far() == 0 {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
    };
    let (got, ()) = tokio::join!(registry.get(&target).send(), opening);
    assert!(got.is(200).body == image.blobs[1]);
    assert_eq!(times_asked(&upstream, &image.blobs[1]), 1);
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_up_nobody_and_gets_the_layer_in_the_end() {
    let upstream = FakeUpstream::start().await;
    let layer = bytes(9, 32 * MEBIBYTE);
    upstream.put_blob("library/app", &sha256(&layer), &layer);
    let registry = upstream.cached(&[]).await;
    let mut slow = begin_to_get(&registry, &layer).await;
    let mut head = [0; 12];
    slow.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");

    let target = format!("/v2/hub/library/app/blobs/{}", sha256(&layer));
    let got = registry.get(&target).send().await;
    assert!(got.is(200).body == layer);
    assert_eq!(times_asked(&upstream, &layer), 1);
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(&layer));
}

#[tokio::test]
async fn an_upstream_is_asked_once_for_a_layer_that_it_does_not_have() {
    let upstream = FakeUpstream::start().await;
    let registry = upstream.cached(&[]).await;
    upstream.asked();
    let target = format!("/v2/hub/library/app/blobs/{}", sha256(b"absent"));
    for _ in 0..5 {
        registry.head(&target).send().await.is(404);
        registry.get(&target).send().await.refuses(404, "NAME_UNKNOWN");
    }
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn an_index_brings_every_image_that_it_names() {
    let upstream = FakeUpstream::start().await;
    let images = [Image::new(1), Image::new(2)];
    for (number, image) in images.iter().enumerate() {
        upstream.push("library/app", &number.to_string(), image);
    }
    let list = index(&[images[0].descriptor(), images[1].descriptor()]);
    upstream.push_index("library/app", "multi", &list);
    let registry = upstream.cached(&[]).await;
    registry
        .get("/v2/hub/library/app/manifests/multi")
        .send()
        .await
        .is(200);
    registry.settle().await;
    upstream.stop();
    for image in &images {
        pull(&registry, "hub/library/app", &image.digest(), image).await;
    }
    let got = registry.get("/v2/hub/library/app/manifests/multi").send().await;
    assert_eq!(got.is(200).body, list);
}

async fn advance(registry: &Registry, duration: &str) {
    let change = json!({ "advance": duration }).to_string();
    let set = registry
        .put("/_ecru/clock")
        .anonymously()
        .body(change)
        .send()
        .await;
    assert_eq!(set.status, 200, "{}", set.text());
}

#[tokio::test]
async fn a_tag_is_compared_with_upstream_after_a_day() {
    let upstream = FakeUpstream::start().await;
    let (old, new) = (Image::new(1), Image::new(2));
    upstream.push("library/app", "latest", &old);
    let registry = upstream.cached(&[]).await;
    pull(&registry, "hub/library/app", "latest", &old).await;
    registry.settle().await;
    upstream.push("library/app", "latest", &new);
    upstream.asked();

    advance(&registry, "PT23H").await;
    pull(&registry, "hub/library/app", "latest", &old).await;
    assert!(upstream.asked().is_empty());
    advance(&registry, "PT2H").await;
    pull(&registry, "hub/library/app", "latest", &new).await;
    registry.settle().await;
    upstream.asked();
    pull(&registry, "hub/library/app", "latest", &new).await;
    pull(&registry, "hub/library/app", &old.digest(), &old).await;
    assert!(upstream.asked().is_empty());

    advance(&registry, "P2D").await;
    upstream.stop();
    pull(&registry, "hub/library/app", "latest", &new).await;
}

#[tokio::test]
async fn a_tag_that_must_not_move_is_not_compared() {
    let upstream = FakeUpstream::start().await;
    let (old, new) = (Image::new(1), Image::new(2));
    upstream.push("library/app", "latest", &old);
    let registry = upstream.cached(&[]).await;
    let template = json!({
        "prefix": "hub", "appliedFor": ["PULL_THROUGH_CACHE"], "imageTagMutability": "IMMUTABLE",
    });
    registry.aws("CreateRepositoryCreationTemplate", template).await;
    pull(&registry, "hub/library/app", "latest", &old).await;
    registry.settle().await;
    upstream.push("library/app", "latest", &new);
    advance(&registry, "P2D").await;
    pull(&registry, "hub/library/app", "latest", &old).await;
}

#[tokio::test]
async fn a_layer_is_fetched_by_the_address_that_the_api_gives() {
    let upstream = FakeUpstream::start().await;
    let image = large(1);
    upstream.push("library/app", "1.0", &image);
    let registry = upstream.cached(&[]).await;
    let wanted = json!({ "repositoryName": "hub/library/app", "imageIds": [{ "imageTag": "1.0" }] });
    registry.aws("BatchGetImage", wanted).await;
    let layer = json!({ "repositoryName": "hub/library/app", "layerDigest": sha256(&image.blobs[1]) });
    let address = registry.aws("GetDownloadUrlForLayer", layer).await;
    let address = address["downloadUrl"].as_str().unwrap();
    let got = registry.get(address).anonymously().send().await;
    assert!(got.is(200).body == image.blobs[1]);
}

#[tokio::test]
async fn a_layer_that_was_called_there_can_be_counted_on_by_a_push() {
    let upstream = FakeUpstream::start().await;
    let (cached, image) = (Image::new(1), Image::new(2));
    upstream.push("library/app", "1.0", &cached);
    upstream.push("library/app", "other", &image);
    let registry = upstream.cached(&[]).await;
    pull(&registry, "hub/library/app", "1.0", &cached).await;
    for blob in &image.blobs {
        let target = format!("/v2/hub/library/app/blobs/{}", sha256(blob));
        let length = blob.len().to_string();
        registry
            .head(&target)
            .send()
            .await
            .is(200)
            .has("content-length", &length);
    }
    let put = registry
        .put_manifest("hub/library/app", "mine", &image.manifest)
        .await;
    put.is(201);
    upstream.stop();
    pull(&registry, "hub/library/app", "mine", &image).await;
}

#[tokio::test]
async fn secrets_are_listed_without_what_they_hold() {
    let upstream = FakeUpstream::start().await;
    let registry = upstream.cached(&[]).await;
    let listed = registry.get("/_ecru/secrets").anonymously().send().await;
    assert_eq!(listed.json(), json!({ "secrets": [{ "arn": SECRET }] }));
    let rules = registry
        .get("/_fakecloud/ecr/pull-through-rules")
        .anonymously()
        .send()
        .await;
    assert_eq!(rules.json()["rules"][0]["ecrRepositoryPrefix"], "hub");
    assert_eq!(rules.json()["rules"][0]["credentialArn"], SECRET);
    for (body, told) in [
        ("{\"arn\":\"x\",\"value\":\"hunter2\"}", "arn"),
        ("{\"value\":\"hunter2\"}", "body"),
    ] {
        let refused = registry
            .put("/_ecru/secrets")
            .anonymously()
            .body(body)
            .send()
            .await;
        assert_eq!(refused.status, 400);
        assert!(
            refused.text().contains(told) && !refused.text().contains("hunter2"),
            "{}",
            refused.text()
        );
    }
    let gone = format!("/_ecru/secrets?arn={SECRET}");
    assert_eq!(registry.delete(&gone).anonymously().send().await.status, 200);
    assert_eq!(registry.delete(&gone).anonymously().send().await.status, 404);
}

#[tokio::test]
async fn a_signed_manifest_comes_by_the_digest_of_what_was_signed() {
    const SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let upstream = FakeUpstream::start().await;
    let layer = bytes(1, 700);
    upstream.put_blob("library/app", &sha256(&layer), &layer);
    let head = format!(
        r#"{{"schemaVersion":1,"fsLayers":[{{"blobSum":"{}"}}]"#,
        sha256(&layer)
    );
    let protected = URL_SAFE_NO_PAD.encode(format!(r#"{{"formatLength":{},"formatTail":"fQ"}}"#, head.len()));
    let manifest = format!(r#"{head},"signatures":[{{"protected":"{protected}"}}]}}"#);
    let named = sha256(format!("{head}}}").as_bytes());
    for reference in ["1.0", &named] {
        upstream.put_manifest("library/app", reference, SIGNED, manifest.as_bytes());
    }
    let registry = upstream.cached(&[]).await;
    for reference in ["1.0", &named] {
        let target = format!("/v2/hub/library/app/manifests/{reference}");
        let pulled = registry.get(&target).send().await;
        pulled
            .is(200)
            .has("docker-content-digest", &named)
            .has("content-type", SIGNED);
    }
    registry.settle().await;
    upstream.stop();
    let kept = registry.get("/v2/hub/library/app/manifests/1.0").send().await;
    kept.is(200).has("docker-content-digest", &named);
    assert_eq!(kept.text(), manifest);
}
