//! Refused manifests: invalid documents, missing parts, and invalid tags.

use ecru_model::DigestAlgorithm;
use serde_json::{Value, json};

use crate::client::Registry;
use crate::content::{
    ALGORITHMS, CONFIG, Image, LAYER, MANIFEST, descriptor, digest, index, index_with, sha256,
};

#[tokio::test]
async fn a_manifest_that_is_not_of_its_digest_is_refused() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push_blobs(DigestAlgorithm::Sha256, "demo", &image).await;
    let padded = [image.manifest.as_slice(), b"  "].concat();
    for algorithm in ALGORITHMS {
        let digest = digest(algorithm, &image.manifest);
        registry
            .put_manifest("demo", &digest, &padded)
            .await
            .refuses(400, "DIGEST_INVALID");
        registry
            .get(&format!("/v2/demo/manifests/{digest}"))
            .send()
            .await
            .is(404);
    }
    let bad = "sha256:baddigeststring";
    registry
        .put_manifest("demo", bad, &image.manifest)
        .await
        .refuses(400, "DIGEST_INVALID");
    registry
        .get(&format!("/v2/demo/manifests/{bad}"))
        .send()
        .await
        .refuses(400, "DIGEST_INVALID");
    registry
        .delete(&format!("/v2/demo/manifests/{bad}"))
        .send()
        .await
        .refuses(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn a_manifest_whose_content_is_missing_is_refused() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    let reply = registry.put_manifest("demo", "1.0", &image.manifest).await;
    reply.refuses(404, "MANIFEST_BLOB_UNKNOWN");
    assert!(
        reply.message().contains(&sha256(&image.blobs[0])),
        "{}",
        reply.message()
    );

    registry.push_blob("demo", &image.blobs[0]).await;
    registry
        .put_manifest("demo", "1.0", &image.manifest)
        .await
        .refuses(404, "MANIFEST_BLOB_UNKNOWN");

    let index = index(&[image.descriptor()]);
    registry
        .put_manifest("demo", "1.0", &index)
        .await
        .refuses(404, "MANIFEST_BLOB_UNKNOWN");
    registry
        .get("/v2/demo/manifests/1.0")
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_manifest_may_not_name_the_blobs_of_another_repository() {
    let registry = Registry::start().await;
    registry.create("other").await;
    let image = Image::new(1);
    registry.push("other", "1.0", &image).await;
    registry
        .put_manifest("demo", "1.0", &image.manifest)
        .await
        .refuses(404, "MANIFEST_BLOB_UNKNOWN");
    let index = index(&[image.descriptor()]);
    registry
        .put_manifest("demo", "1.0", &index)
        .await
        .refuses(404, "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn what_is_no_manifest_is_refused_and_leaves_nothing() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push("demo", "good", &image).await;
    let text = String::from_utf8(image.manifest.clone()).unwrap();
    let changed = |change: fn(&mut Value)| Image::with(1, change).manifest;

    let no_manifests = [
        b"".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\xff\xfe{}".to_vec(),
        b"{}".to_vec(),
        format!("{text}{text}").into_bytes(),
        format!("{text}x").into_bytes(),
        text.replacen('{', "{\"layers\":[],", 1).into_bytes(),
        text.replacen(
            '{',
            "{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",",
            1,
        )
        .into_bytes(),
        format!("{{\"deep\":{}{},{}", "[".repeat(70), "]".repeat(70), &text[1..]).into_bytes(),
        format!("{{\"deep\":{}", "[".repeat(100_000)).into_bytes(),
        changed(|manifest| manifest["manifests"] = json!([])),
        changed(|manifest| manifest["schemaVersion"] = json!(1)),
        changed(|manifest| manifest["schemaVersion"] = json!("2")),
        changed(|manifest| manifest["config"] = Value::Null),
        changed(|manifest| manifest["layers"] = json!({})),
        changed(|manifest| manifest["layers"][0]["size"] = json!(-1)),
        changed(|manifest| manifest["layers"][0]["size"] = json!(1.5)),
        changed(|manifest| manifest["layers"][0]["size"] = json!("700")),
        changed(|manifest| manifest["layers"][0]["size"] = json!(1e30)),
        changed(|manifest| manifest["layers"][0]["digest"] = json!("sha256:../../etc/passwd")),
        changed(|manifest| manifest["layers"][0]["digest"] = json!("md5:d41d8cd98f00b204e9800998ecf8427e")),
        changed(|manifest| manifest["config"]["digest"] = json!(7)),
        changed(|manifest| manifest["subject"] = json!({ "digest": "x" })),
        // Of names that differ only in case, Go uses the last one.
        changed(|manifest| manifest["Layers"] = json!([])),
        changed(|manifest| manifest["layer\u{17f}"] = json!([])),
        changed(|manifest| manifest["layers"][0]["Digest"] = json!("x")),
        changed(|manifest| manifest["config"]["SIZE"] = json!(1)),
        changed(|manifest| manifest["fsLayers"] = json!([])),
        changed(|manifest| manifest["config"]["annotations"] = json!({ "a": 1 })),
        changed(|manifest| manifest["layers"][0]["annotations"] = json!({ "a": null })),
        changed(|manifest| manifest["annotations"] = json!({ "a": [] })),
        index_with(&[], |index| index["fsLayers"] = json!([])),
        index_with(&[], |index| index["Manifests"] = Value::Null),
        index_with(&[], |index| index["layers"] = json!([])),
        index_with(&[], |index| {
            index["config"] = descriptor(CONFIG, &sha256(b"{}"), 2);
        }),
        index_with(&[], |index| index["manifests"] = json!(["x"])),
        index_with(&[], |index| {
            index["manifests"] = json!([descriptor(LAYER, "sha256:zz", 1)]);
        }),
    ];
    for manifest in &no_manifests {
        let reply = registry.put_manifest("demo", "bad", manifest).await;
        let shown = String::from_utf8_lossy(&manifest[..manifest.len().min(200)]);
        assert_eq!(reply.status, 400, "{shown}");
        reply.refuses(400, "MANIFEST_INVALID");
        assert!(reply.json()["errors"][0]["detail"].is_string(), "{shown}");
    }
    registry
        .get("/v2/demo/manifests/bad")
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    let tags = registry.get("/v2/demo/tags/list").send().await;
    assert_eq!(tags.json()["tags"], json!(["good"]));
}

#[tokio::test]
async fn an_index_needs_its_list_of_manifests() {
    let registry = Registry::start().await;
    let null = index_with(&[], |index| index["manifests"] = Value::Null);
    let without = index_with(&[], |index| {
        index.as_object_mut().unwrap().remove("manifests");
    });
    for manifest in [null, without] {
        let reply = registry.put_manifest("demo", "bad", &manifest).await;
        reply.refuses(400, "MANIFEST_INVALID");
    }
    // Clients write an empty index in this form.
    registry.put_manifest("demo", "empty", &index(&[])).await.is(201);
}

#[tokio::test]
async fn the_detail_of_a_refusal_says_what_is_wrong_with_a_manifest() {
    const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
    const SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let registry = Registry::start().await;
    let layer = registry.push_blob("demo", b"layer").await;
    let schema_1 = json!({ "schemaVersion": 1, "fsLayers": [{ "blobSum": layer }] });
    let image = |change: fn(&mut Value)| Image::with(1, change).manifest;
    let plain = image(|manifest| {
        manifest.as_object_mut().unwrap().remove("mediaType");
    });
    for (media_type, manifest, reason) in [
        (
            "application/json",
            plain.clone(),
            "manifests of the media type `application/json` are not supported",
        ),
        (
            SIGNED,
            schema_1.to_string().into_bytes(),
            "it has no signatures, which its media type \
             `application/vnd.docker.distribution.manifest.v1+prettyjws` asks for",
        ),
        (
            SCHEMA_1,
            b"{\"schemaVersion\":1}".to_vec(),
            "its members are not those of its media type",
        ),
        (
            SCHEMA_1,
            image(|_| {}),
            "its media type `application/vnd.oci.image.manifest.v1+json` is not \
             `application/vnd.docker.distribution.manifest.v1+json`, the one it was sent with",
        ),
        (
            MANIFEST,
            image(|manifest| manifest["Layers"] = json!([])),
            "the document is not what its schema says: `layers` is written in another case",
        ),
        (
            MANIFEST,
            image(|manifest| manifest["config"]["size"] = json!("x".repeat(5_000))),
            "the document is not what its schema says: invalid type: string \"xxx",
        ),
    ] {
        let put = registry.put("/v2/demo/manifests/1.0");
        let reply = put.header("Content-Type", media_type).body(manifest).send().await;
        reply.refuses(400, "MANIFEST_INVALID");
        assert!(
            reply.message().contains("Invalid JSON syntax"),
            "{}",
            reply.message()
        );
        let reply = reply.json();
        let detail = reply["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.starts_with(reason) && detail.len() <= 400, "{detail}");
    }
    // Manifests of schema 1 are stored.
    let put = registry.put("/v2/demo/manifests/1.0");
    let put = put.header("Content-Type", SCHEMA_1).body(schema_1.to_string());
    put.send().await.is(201);
}

#[tokio::test]
async fn a_tag_of_another_form_is_refused() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push_blobs(DigestAlgorithm::Sha256, "demo", &image).await;
    for tag in [
        ".hidden",
        "-x",
        "a+b",
        "a%20b",
        "%C3%A9",
        "a%5Cb",
        "a@b",
        &"t".repeat(129),
        &"t".repeat(301),
    ] {
        registry
            .put_manifest("demo", tag, &image.manifest)
            .await
            .refuses(400, "TAG_INVALID");
    }
    for tag in ["a+b", "a%20b", "%C3%A9", &"t".repeat(301)] {
        registry
            .get(&format!("/v2/demo/manifests/{tag}"))
            .send()
            .await
            .refuses(400, "TAG_INVALID");
        registry
            .head(&format!("/v2/demo/manifests/{tag}"))
            .send()
            .await
            .is(400);
    }
}

#[tokio::test]
async fn a_push_with_a_bad_tag_among_its_tags_stores_nothing() {
    let registry = Registry::start().await;
    let image = Image::new(5);
    registry.push_blobs(DigestAlgorithm::Sha256, "demo", &image).await;
    let digest = image.digest();
    let many = (0..101)
        .map(|tag| format!("tag=t{tag}"))
        .collect::<Vec<_>>()
        .join("&");
    for (tags, status) in [
        ("tag=good&tag=.bad", 400),
        ("tag=good&tag=a/b", 400),
        (many.as_str(), 414),
    ] {
        let reply = registry
            .put_manifest("demo", &format!("{digest}?{tags}"), &image.manifest)
            .await;
        reply.refuses(status, "TAG_INVALID");
    }
    registry
        .get(&format!("/v2/demo/manifests/{digest}"))
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    registry
        .get("/v2/demo/manifests/good")
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
}
