//! Pushing manifests: by tag, by digest, with further tags and with a subject.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecru_model::DigestAlgorithm;
use serde_json::{Value, json};

use crate::client::Registry;
use crate::content::{
    ALGORITHMS, EMPTY, INDEX, Image, MANIFEST, descriptor, digest, index, index_with, sha256,
};

#[tokio::test]
async fn a_manifest_is_pushed_by_tag() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push_blobs(DigestAlgorithm::Sha256, "demo", &image).await;
    for tag in ["latest", "1.0", "_x", "A-b.c_D", &"t".repeat(128)] {
        let reply = registry.put_manifest("demo", tag, &image.manifest).await;
        reply.is(201).has("docker-content-digest", &image.digest());
        assert_eq!(reply.header("oci-subject"), None);
        let pulled = registry.get(reply.header("location").unwrap()).send().await;
        assert_eq!(pulled.is(200).body, image.manifest);
        registry
            .get(&format!("/v2/demo/manifests/{tag}"))
            .send()
            .await
            .is(200);
    }
}

#[tokio::test]
async fn a_manifest_is_pushed_by_digest_of_either_algorithm() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        let image = Image::digested(algorithm, 2, |_| {});
        registry.push_blobs(algorithm, "demo", &image).await;
        let digest = digest(algorithm, &image.manifest);
        let reply = registry.put_manifest("demo", &digest, &image.manifest).await;
        reply.is(201).has("docker-content-digest", &digest);
        let location = reply.header("location").unwrap();
        for target in [location, &format!("/v2/demo/manifests/{digest}")] {
            let pulled = registry.get(target).send().await;
            pulled
                .is(200)
                .has("docker-content-digest", &digest)
                .has("content-type", MANIFEST);
            assert_eq!(pulled.body, image.manifest);
        }

        let children = [descriptor(MANIFEST, &digest, image.manifest.len())];
        let index = index(&children);
        let digest = crate::content::digest(algorithm, &index);
        registry
            .put_manifest("demo", &digest, &index)
            .await
            .is(201)
            .has("docker-content-digest", &digest);
    }
}

#[tokio::test]
async fn a_push_by_digest_may_give_tags() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        let image = Image::digested(algorithm, 3, |_| {});
        registry.push_blobs(algorithm, "demo", &image).await;
        let digest = digest(algorithm, &image.manifest);
        let reference = format!("{digest}?tag={algorithm}-a&tag={algorithm}-b&tag={algorithm}-a");
        let reply = registry.put_manifest("demo", &reference, &image.manifest).await;
        reply.is(201).has("docker-content-digest", &digest);
        assert_eq!(
            reply.all("oci-tag"),
            [format!("{algorithm}-a"), format!("{algorithm}-b")]
        );
        for tag in ["a", "b"] {
            let pulled = registry
                .get(&format!("/v2/demo/manifests/{algorithm}-{tag}"))
                .send()
                .await;
            pulled.is(200).has("docker-content-digest", &digest);
        }
    }

    let image = Image::new(4);
    registry.push_blobs(DigestAlgorithm::Sha256, "demo", &image).await;
    let ten = (0..10)
        .map(|tag| format!("tag=t{tag}"))
        .collect::<Vec<_>>()
        .join("&");
    let reply = registry
        .put_manifest("demo", &format!("{}?{ten}", image.digest()), &image.manifest)
        .await;
    assert_eq!(reply.is(201).all("oci-tag").len(), 10);
}

#[tokio::test]
async fn indexes_may_be_empty_and_may_hold_indexes() {
    let registry = Registry::start().await;
    let empty = index(&[]);
    registry.put_manifest("demo", "empty", &empty).await.is(201);

    let (first, second) = (Image::new(1), Image::new(2));
    registry.push("demo", "first", &first).await;
    registry.push("demo", "second", &second).await;
    let inner = index(&[first.descriptor(), second.descriptor()]);
    registry
        .put_manifest("demo", &sha256(&inner), &inner)
        .await
        .is(201);
    let outer = index(&[
        descriptor(INDEX, &sha256(&inner), inner.len()),
        descriptor(INDEX, &sha256(&empty), empty.len()),
    ]);
    registry.put_manifest("demo", "outer", &outer).await.is(201);
    let pulled = registry.get("/v2/demo/manifests/outer").send().await;
    assert_eq!(pulled.is(200).has("content-type", INDEX).body, outer);
}

#[tokio::test]
async fn a_subject_is_told_back_whether_it_is_there_or_not() {
    let registry = Registry::start().await;
    let subject = Image::new(1);
    for there in [false, true] {
        if there {
            registry.push("demo", "subject", &subject).await;
        }
        let referrer = Image::with(2 + u64::from(there), |manifest| {
            manifest["subject"] = subject.descriptor();
        });
        registry
            .push_blobs(DigestAlgorithm::Sha256, "demo", &referrer)
            .await;
        let reply = registry
            .put_manifest("demo", &referrer.digest(), &referrer.manifest)
            .await;
        reply.is(201).has("oci-subject", &subject.digest());
    }
    let index = index_with(&[], |index| index["subject"] = subject.descriptor());
    registry
        .put_manifest("demo", &sha256(&index), &index)
        .await
        .is(201)
        .has("oci-subject", &subject.digest());
}

#[tokio::test]
async fn manifests_of_every_form_are_kept_as_they_are() {
    let registry = Registry::start().await;
    registry.push_blob("demo", b"{}").await;
    let artifact = |change: fn(&mut Value)| {
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.thing.v1",
            "config": descriptor(EMPTY, &sha256(b"{}"), 2),
            "layers": [descriptor(EMPTY, &sha256(b"{}"), 2)],
        });
        change(&mut manifest);
        manifest.to_string().into_bytes()
    };
    let forms = [
        artifact(|_| {}),
        artifact(|manifest| manifest["layers"] = json!([])),
        artifact(|manifest| manifest["annotations"] = json!({ "org.example": "é\u{1F4E6}" })),
        artifact(|manifest| manifest["org.example.custom"] = json!({ "deep": [1, 2.5, null] })),
        artifact(|manifest| manifest["config"]["data"] = "e30=".into()),
        artifact(|manifest| manifest["layers"][0]["platform"] = json!({ "os": "linux" })),
        // Non-distributable content need not be stored.
        artifact(|manifest| {
            manifest["layers"] = json!([{
                "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                "digest": sha256(b"elsewhere"),
                "size": 123_456,
                "urls": ["https://store.example.com/blobs/1"],
            }]);
        }),
    ];
    for (tag, manifest) in forms.iter().enumerate() {
        registry
            .put_manifest("demo", &format!("form-{tag}"), manifest)
            .await
            .is(201);
        let pulled = registry
            .get(&format!("/v2/demo/manifests/form-{tag}"))
            .send()
            .await;
        assert_eq!(pulled.is(200).body, *manifest);
    }
}

#[tokio::test]
async fn a_manifest_may_be_four_mebibytes_long_and_no_longer() {
    let registry = Registry::start().await;
    let image = Image::with(1, |manifest| {
        let annotations = (0..390).map(|at| (format!("large-annotation-{at}"), "A".repeat(10_000).into()));
        manifest["annotations"] = Value::Object(annotations.collect());
    });
    let digest = registry.push("demo", "large", &image).await;
    let pulled = registry.get("/v2/demo/manifests/large").send().await;
    assert!(pulled.is(200).has("docker-content-digest", &digest).body == image.manifest);
    let head = registry.head("/v2/demo/manifests/large").send().await;
    head.is(200)
        .has("content-length", &image.manifest.len().to_string());

    let mut longest = image.manifest.clone();
    longest.resize(4_194_304, b' ');
    registry.put_manifest("demo", "longest", &longest).await.is(201);
    longest.push(b' ');
    registry
        .put_manifest("demo", "too-long", &longest)
        .await
        .refuses(413, "MANIFEST_INVALID");
    let mut unannounced = format!("{:x}\r\n", longest.len()).into_bytes();
    unannounced.extend_from_slice(&longest);
    unannounced.extend_from_slice(b"\r\n0\r\n\r\n");
    let chunked = registry
        .put("/v2/demo/manifests/too-long")
        .header("Transfer-Encoding", "chunked");
    let reply = chunked
        .header("Content-Type", MANIFEST)
        .body(unannounced)
        .send()
        .await;
    reply.refuses(413, "MANIFEST_INVALID");
    registry
        .get("/v2/demo/manifests/too-long")
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn the_media_type_beside_a_manifest_and_in_it_must_agree() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push_blobs(DigestAlgorithm::Sha256, "demo", &image).await;
    let put = |media_type: &'static str, manifest: &[u8]| {
        registry
            .put("/v2/demo/manifests/1.0")
            .header("Content-Type", media_type)
            .body(manifest)
            .send()
    };
    put(INDEX, &image.manifest).await.refuses(400, "MANIFEST_INVALID");
    put("text/plain", &image.manifest)
        .await
        .refuses(400, "MANIFEST_INVALID");
    // Parameters of a media type are ignored.
    put(
        "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
        &image.manifest,
    )
    .await
    .is(201);
    put(
        "APPLICATION/VND.OCI.IMAGE.MANIFEST.V1+JSON;charset=utf-8",
        &image.manifest,
    )
    .await
    .is(201);
    let pulled = registry.get("/v2/demo/manifests/1.0").send().await;
    pulled.is(200).has("content-type", MANIFEST);

    let untyped = Image::with(1, |manifest| {
        manifest.as_object_mut().unwrap().remove("mediaType");
    });
    put(MANIFEST, &untyped.manifest).await.is(201);
    let pulled = registry.get("/v2/demo/manifests/1.0").send().await;
    pulled.is(200).has("content-type", MANIFEST);
}

#[tokio::test]
async fn a_tag_moves_to_the_last_push_unless_it_is_frozen() {
    let registry = Registry::start().await;
    let (first, second) = (Image::new(1), Image::new(2));
    registry.push("demo", "latest", &first).await;
    registry.push("demo", "latest", &second).await;
    let pulled = registry.get("/v2/demo/manifests/latest").send().await;
    pulled.is(200).has("docker-content-digest", &second.digest());
    registry
        .get(&format!("/v2/demo/manifests/{}", first.digest()))
        .send()
        .await
        .is(200);

    let frozen = json!({ "repositoryName": "demo", "imageTagMutability": "IMMUTABLE" });
    registry.aws("PutImageTagMutability", frozen).await;
    let refused = registry.put_manifest("demo", "latest", &first.manifest).await;
    refused.refuses(400, "TAG_INVALID");
    assert!(refused.message().contains("latest"), "{}", refused.message());
    let pulled = registry.get("/v2/demo/manifests/latest").send().await;
    pulled.is(200).has("docker-content-digest", &second.digest());
    registry
        .put_manifest("demo", "new", &first.manifest)
        .await
        .is(201);
}

#[tokio::test]
async fn of_racing_pushes_of_a_frozen_tag_one_wins() {
    let registry = Registry::start().await;
    let frozen = json!({ "repositoryName": "demo", "imageTagMutability": "IMMUTABLE" });
    registry.aws("PutImageTagMutability", frozen).await;
    let images = [1, 2, 3, 4].map(Image::new);
    for image in &images {
        registry.push_blobs(DigestAlgorithm::Sha256, "demo", image).await;
    }
    let push = |at: usize| registry.put_manifest("demo", "once", &images[at].manifest);
    let (a, b, c, d) = tokio::join!(push(0), push(1), push(2), push(3));
    let replies = [a, b, c, d];
    let winners = replies
        .iter()
        .filter(|reply| reply.status == 201)
        .collect::<Vec<_>>();
    assert_eq!(winners.len(), 1);
    for loser in replies.iter().filter(|reply| reply.status != 201) {
        loser.refuses(400, "TAG_INVALID");
    }
    let pulled = registry.get("/v2/demo/manifests/once").send().await;
    pulled.is(200).has(
        "docker-content-digest",
        winners[0].header("docker-content-digest").unwrap(),
    );
}

#[tokio::test]
async fn an_image_from_scratch_that_only_sets_variables_is_pushed_and_pulled() {
    let registry = Registry::start().await;
    // BuildKit writes manifests of this form.
    let image = Image::with(1, |manifest| manifest["layers"] = Value::Null);
    let digest = registry.push("demo", "scratch", &image).await;
    let pulled = registry.get("/v2/demo/manifests/scratch").send().await;
    pulled.is(200).has("docker-content-digest", &digest);
    assert_eq!(pulled.body, image.manifest);
    let without = Image::with(1, |manifest| {
        manifest.as_object_mut().unwrap().remove("layers");
    });
    registry.push("demo", "none", &without).await;
}

#[tokio::test]
async fn a_signed_manifest_is_pulled_by_the_digest_of_what_was_signed() {
    const SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let registry = Registry::start().await;
    let layer = registry.push_blob("demo", b"layer").await;
    let head = format!(r#"{{"schemaVersion":1,"name":"demo","tag":"1","fsLayers":[{{"blobSum":"{layer}"}}]"#);
    let protected = format!(r#"{{"formatLength":{},"formatTail":"fQ"}}"#, head.len());
    let protected = URL_SAFE_NO_PAD.encode(protected);
    let manifest = format!(r#"{head},"signatures":[{{"protected":"{protected}"}}]}}"#);
    let named = sha256(format!("{head}}}").as_bytes());
    let put = |reference: &str| {
        let put = registry.put(&format!("/v2/demo/manifests/{reference}"));
        put.header("Content-Type", SIGNED).body(manifest.as_str()).send()
    };
    for reference in ["1", &named] {
        put(reference).await.is(201).has("docker-content-digest", &named);
    }
    put(&sha256(manifest.as_bytes()))
        .await
        .refuses(400, "DIGEST_INVALID");
    for reference in ["1", &named] {
        let pulled = registry
            .get(&format!("/v2/demo/manifests/{reference}"))
            .send()
            .await;
        pulled
            .is(200)
            .has("docker-content-digest", &named)
            .has("content-type", SIGNED);
        assert_eq!(pulled.text(), manifest);
    }
}
