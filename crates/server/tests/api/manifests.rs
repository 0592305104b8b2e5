//! Manifests: the stored kinds, the facts derived from each, and documents that are not manifests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecru_model::{Digest, ErrorCode};
use ecru_store::Value as Stored;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api};
use crate::content::{
    ABSENT, DOCKER_LIST, DOCKER_MANIFEST, Image, MEBIBYTE, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST,
    descriptor, digest, encoded, index, put,
};
use crate::put_image::{demo, details};
use crate::replication::{WEST, destination, rule};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a document of each kind")]
async fn every_kind_of_manifest_is_stored() {
    let api = demo().await;
    let (first, second) = (Image::new(1), Image::new(2));
    for image in [&first, &second] {
        api.push("demo", None, image).await;
    }
    let config = &first.manifest["config"];
    let layer = &first.manifest["layers"][0];
    let children = json!([first.descriptor(), second.descriptor()]);
    let schema_1 = "application/vnd.docker.distribution.manifest.v1+json";
    let manifests = [
        (
            OCI_INDEX,
            json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "artifactType": "a/b", "manifests": children }),
            24 + 12,
            json!("a/b"),
        ),
        (
            DOCKER_LIST,
            json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": children }),
            24 + 12,
            Value::Null,
        ),
        (
            OCI_INDEX,
            json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }),
            0,
            Value::Null,
        ),
        (
            OCI_MANIFEST,
            json!({
                "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "text/sbom", "config": config,
                "layers": [layer],
            }),
            24 + 12,
            json!("text/sbom"),
        ),
        (
            OCI_MANIFEST,
            json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer, layer] }),
            24 + 12,
            json!(OCI_CONFIG),
        ),
        (
            "application/vnd.oci.artifact.manifest.v1+json",
            json!({
                "mediaType": "application/vnd.oci.artifact.manifest.v1+json", "artifactType": "text/spdx",
                "blobs": [layer],
            }),
            24,
            json!("text/spdx"),
        ),
        (
            "application/vnd.cncf.oras.artifact.manifest.v1+json",
            json!({
                "mediaType": "application/vnd.cncf.oras.artifact.manifest.v1+json", "artifactType": "text/sig",
                "blobs": [],
            }),
            0,
            json!("text/sig"),
        ),
        (
            schema_1,
            json!({
                "schemaVersion": 1, "mediaType": schema_1, "name": "demo", "tag": "v1", "architecture": "amd64",
                "fsLayers": [{ "blobSum": layer["digest"] }], "history": [{ "v1Compatibility": "{}" }],
            }),
            24,
            Value::Null,
        ),
    ];
    for (media_type, manifest, size, artifact) in manifests {
        let text = manifest.to_string();
        let stored = api.ok("PutImage", put("demo", &text, None)).await;
        assert_eq!(stored["image"]["imageManifestMediaType"], media_type);
        let detail = details(&api, &digest(&text)).await;
        assert_eq!(detail["imageManifestMediaType"], media_type);
        assert_eq!(detail["imageSizeInBytes"], size, "{text}");
        assert_eq!(detail["artifactMediaType"], artifact, "{text}");
    }
}

#[tokio::test]
async fn an_index_is_as_large_as_its_largest_child() {
    let api = demo().await;
    let small = Image::new(1);
    let mut large = Image::new(2);
    let layer = vec![b'x'; 1000];
    large.manifest["layers"][0] = descriptor(OCI_LAYER, &layer);
    large.blobs[1] = layer;
    for image in [&small, &large] {
        api.push("demo", None, image).await;
    }
    assert_eq!(details(&api, &large.digest()).await["imageSizeInBytes"], 1012);
    let of_both = index(&[&small, &large]);
    let pushed = api.push_index("demo", Some("all"), &of_both).await;
    assert_eq!(details(&api, &pushed).await["imageSizeInBytes"], 1012);
    let nested = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(OCI_INDEX, of_both.to_string().as_bytes()), small.descriptor()],
    });
    let pushed = api.push_index("demo", Some("nested"), &nested).await;
    assert_eq!(details(&api, &pushed).await["imageSizeInBytes"], 1012);
}

#[tokio::test]
async fn a_subject_need_not_be_there() {
    let api = demo().await;
    let subject = json!({ "mediaType": OCI_MANIFEST, "digest": ABSENT, "size": 7 });
    let image = Image::new(1).with("subject", subject);
    let pushed = api.push("demo", None, &image).await;
    assert_eq!(details(&api, &pushed).await["subjectManifestDigest"], ABSENT);
}

#[tokio::test]
async fn documents_that_are_no_manifest_are_refused() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let text = image.text();
    let with = |member: &str, value: Value| Image::new(1).with(member, value).text();
    let deep = format!("{{\"annotations\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let documents = [
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "not json".to_owned(),
        deep,
        format!("{text}{text}"),
        format!("{text}\u{0}"),
        with("mediaType", json!("application/json")),
        with("mediaType", json!(OCI_INDEX)),
        with("mediaType", json!(2)),
        with("schemaVersion", json!(1)),
        with("config", Value::Null),
        with("layers", json!({})),
        with("manifests", json!([])),
        with("blobs", json!([])),
        with(
            "layers",
            json!([{ "mediaType": OCI_LAYER, "digest": "sha256:00", "size": 1 }]),
        ),
        with(
            "layers",
            json!([{ "mediaType": OCI_LAYER, "digest": "../../x", "size": 1 }]),
        ),
        with(
            "layers",
            json!([{ "mediaType": OCI_LAYER, "digest": ABSENT, "size": -1 }]),
        ),
        with(
            "layers",
            json!([{ "mediaType": OCI_LAYER, "digest": ABSENT, "size": 1.5 }]),
        ),
        with(
            "layers",
            json!([{ "mediaType": OCI_LAYER, "digest": ABSENT, "size": u64::MAX }]),
        ),
        with("subject", json!({ "digest": "x" })),
        text.replacen('{', "{\"layers\":[],", 1),
        with("Layers", json!([])),
        with("fsLayers", json!([])),
        with("annotations", json!({ "a": 1 })),
        text.replacen('{', "{\"mediaType\":\"x\",", 1),
    ];
    for document in documents {
        let answer = api.call("PutImage", put("demo", &document, Some("v1"))).await;
        answer.refuses_parameter("ImageManifest", "Invalid JSON syntax");
    }
    let empty = api.call("PutImage", put("demo", "", None)).await;
    empty.refuses_parameter(
        "ImageManifest",
        "Member must have length greater than or equal to 1",
    );
    let absent = api.call("PutImage", json!({ "repositoryName": "demo" })).await;
    absent.refuses_parameter("ImageManifest", "Member must not be null");
    let mut other = put("demo", &text, None);
    other["imageManifestMediaType"] = json!(DOCKER_LIST);
    let other = api.call("PutImage", other).await;
    other.refuses_parameter("ImageManifest", "Invalid JSON syntax");
    assert_eq!(api.digests("demo").await, [""; 0]);
}

#[tokio::test]
async fn a_manifest_has_a_largest_size() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let padded = |length: usize| {
        let annotated = Image::new(1).with("annotations", json!({ "a": "" })).text();
        let padding = "x".repeat(length - annotated.len());
        Image::new(1).with("annotations", json!({ "a": padding })).text()
    };
    let largest = padded(4 * MEBIBYTE);
    let stored = api.ok("PutImage", put("demo", &largest, Some("large"))).await;
    assert_eq!(stored["image"]["imageId"]["imageDigest"], digest(&largest));
    let over = api
        .call("PutImage", put("demo", &padded(4 * MEBIBYTE + 1), None))
        .await;
    over.refuses_parameter(
        "ImageManifest",
        "Member must have length less than or equal to 4194304",
    );
    // The maximum number of characters, in more bytes.
    let wide = largest.replacen("xx", "éé", 1);
    let wide = api.call("PutImage", put("demo", &wide, None)).await;
    wide.refuses_parameter("ImageManifest", "Invalid JSON syntax");
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_no_manifest() {
    let api = demo().await;
    let image = Image::new(1).with("comment", json!("?"));
    api.push_layers("demo", &image).await;
    let mut bytes = image.text().into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xff;
    let refused = api.put_manifest("demo", "v1", bytes).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidParameterException);
    assert_eq!(api.digests("demo").await, [""; 0]);
}

/// Stores a document as an earlier build did: takes the rows of an existing image and replaces its document.
async fn store_earlier(api: &Api, image: &Image, document: &str, media_type: &'static str) -> String {
    let document = document.as_bytes().to_vec();
    let (new, old) = (Digest::of(&document), Digest::parse(&image.digest()).unwrap());
    let changed = api.service().store.write(move |tx| {
        tx.execute(
            // Manifests of schema 1 have no artifact type.
            "UPDATE images SET digest = ?2, manifest = ?3, manifest_size = length(?3), media_type = ?4,
                 artifact_media_type = CASE WHEN ?5 = 1 THEN NULL ELSE artifact_media_type END
             WHERE digest = ?1",
            &[
                Stored::Blob(old.as_bytes()),
                Stored::Blob(new.as_bytes()),
                Stored::Blob(&document),
                Stored::Text(media_type),
                Stored::Integer(i64::from(media_type.contains("distribution.manifest.v1+"))),
            ],
        )
    });
    assert_eq!(changed.await.unwrap(), 1);
    new.to_string()
}

#[tokio::test]
async fn manifests_that_are_refused_by_now_are_served_copied_verified_and_deleted() {
    let api = demo().await;
    let image = Image::new(1);
    let layer = &image.manifest["layers"][0]["digest"];
    let blobs = json!([{ "blobSum": layer }]);
    let protected = encoded(br#"{"formatLength":10,"formatTail":"fQ"}"#);
    let config = &image.manifest["config"];
    let signed = json!({ "schemaVersion": 1, "fsLayers": blobs, "config": config, "signatures": [{ "protected": protected }] });
    let earlier = [
        (OCI_MANIFEST, Image::new(1).with("Layers", json!([])).text()),
        (OCI_MANIFEST, Image::new(1).with("fsLayers", blobs.clone()).text()),
        (
            OCI_MANIFEST,
            image.text().replacen("\"size\"", "\"annotations\":{\"a\":1},\"size\"", 1),
        ),
        (
            "application/vnd.docker.distribution.manifest.v1+json",
            json!({ "schemaVersion": 1, "fsLayers": blobs, "config": image.manifest["config"], "layers": [] }).to_string(),
        ),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", signed.to_string()),
    ];
    let west = api.in_region(WEST);
    for (at, (media_type, document)) in earlier.into_iter().enumerate() {
        api.push_layers("demo", &image).await;
        let refused = api
            .call("PutImage", {
                let mut input = put("demo", &document, Some("v1"));
                input["imageManifestMediaType"] = json!(media_type);
                input
            })
            .await;
        refused.refuses_parameter("ImageManifest", "Invalid JSON syntax");

        api.push("demo", Some("v1"), &image).await;
        let digest = store_earlier(&api, &image, &document, media_type).await;
        let id = json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": digest }] });
        let got = api.ok("BatchGetImage", id.clone()).await;
        assert_eq!(got["images"][0]["imageManifest"], document);
        // Adding a tag would push a document that parsers read differently.
        let mut again = put("demo", &document, Some("v2"));
        again["imageManifestMediaType"] = json!(media_type);
        let again = api.call("PutImage", again).await;
        again.refuses_parameter("ImageManifest", "Invalid JSON syntax");
        let again = api
            .put_manifest("demo", "v2", document.clone().into_bytes())
            .await;
        assert_eq!(again.unwrap_err().code, ErrorCode::InvalidParameterException);
        assert_eq!(details(&api, &digest).await["imageDigest"], digest);
        assert_eq!(api.complaints().await, [""; 0], "{document}");

        api.replicate(&[rule(&[(ACCOUNT, WEST)], &[], false)]).await;
        api.ok(
            "StartReplicationBackfill",
            json!({ "destination": destination(ACCOUNT, WEST) }),
        )
        .await;
        api.run_replication().await;
        assert!(west.digests("demo").await.contains(&digest), "copy {at}");
        api.replicate(&[]).await;

        let deleted = api.ok("BatchDeleteImage", id).await;
        assert_eq!(deleted["failures"], json!([]));
        assert_eq!(api.complaints().await, [""; 0], "{document}");
    }
}

/// The part of a manifest that Docker signs, and the manifest with a signature.
fn signed(head: &str, time: &str) -> (String, String) {
    let protected = URL_SAFE_NO_PAD.encode(format!(
        r#"{{"formatLength":{},"formatTail":"Cn0","time":"{time}"}}"#,
        head.len()
    ));
    let signature = json!([{ "header": { "alg": "ES256" }, "signature": "c2ln", "protected": protected }]);
    (
        format!("{head}\n}}"),
        format!("{head},\n   \"signatures\": {signature}\n}}"),
    )
}

#[tokio::test]
async fn a_signed_manifest_has_the_digest_of_what_was_signed() {
    const SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let head = format!(
        "{{\n   \"schemaVersion\": 1,\n   \"name\": \"demo\",\n   \"tag\": \"v1\",\n   \"architecture\": \"amd64\",\n   \
         \"fsLayers\": [{{\"blobSum\": \"{}\"}}],\n   \"history\": [{{\"v1Compatibility\": \"{{}}\"}}]",
        image.layer_digest()
    );
    let (payload, first) = signed(&head, "2015-01-01T00:00:00Z");
    let push = |manifest: &str, digest: Option<String>| {
        let mut input = put("demo", manifest, Some("v1"));
        input["imageManifestMediaType"] = json!(SIGNED);
        if let Some(digest) = digest {
            input["imageDigest"] = json!(digest);
        }
        input
    };
    api.call("PutImage", push(&first, Some(digest(&first))))
        .await
        .refuses_code(ErrorCode::ImageDigestDoesNotMatchException);
    let stored = api.ok("PutImage", push(&first, Some(digest(&payload)))).await;
    assert_eq!(stored["image"]["imageId"]["imageDigest"], digest(&payload));
    let by_digest = json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": digest(&payload) }] });
    let got = api.ok("BatchGetImage", by_digest.clone()).await;
    assert_eq!(got["images"][0]["imageManifest"], first);
    assert_eq!(got["images"][0]["imageManifestMediaType"], SIGNED);

    // Another signature does not change the image.
    let (_, second) = signed(&head, "2016-01-01T00:00:00.5Z");
    let again = api.call("PutImage", push(&second, None)).await;
    again.refuses_code(ErrorCode::ImageAlreadyExistsException);
    let moved = {
        let mut input = push(&second, None);
        input["imageTag"] = json!("v2");
        input
    };
    api.ok("PutImage", moved).await;
    let got = api.ok("BatchGetImage", by_digest.clone()).await;
    assert_eq!(got["images"][0]["imageManifest"], first);
    // The manifest without signatures is the same image too, and the tags still return the first document.
    let mut bare = put("demo", &payload, None);
    bare["imageManifestMediaType"] = json!("application/vnd.docker.distribution.manifest.v1+json");
    api.call("PutImage", bare)
        .await
        .refuses_code(ErrorCode::ImageAlreadyExistsException);
    let got = api.ok("BatchGetImage", by_digest).await;
    assert_eq!(got["images"][0]["imageManifest"], first);
    assert_eq!(got["images"][0]["imageManifestMediaType"], SIGNED);
    assert_eq!(api.digests("demo").await, [digest(&payload)]);
    assert_eq!(api.complaints().await, [""; 0]);

    for refused in [
        payload.clone(),
        first.replace("\"signatures\"", "\"tag\": \"v2\", \"signatures\""),
        first.replace("\"signatures\"", "\"more\": 1, \"signatures\""),
        first.replace("c2ln\"", "c2ln\",\"Protected\":\"\""),
    ] {
        let answer = api.call("PutImage", push(&refused, None)).await;
        answer.refuses_parameter("ImageManifest", "Invalid JSON syntax");
    }
}

#[tokio::test]
async fn an_image_of_no_layers_need_not_list_them() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    for media_type in [OCI_MANIFEST, DOCKER_MANIFEST] {
        let mut without = Image::new(1).with("mediaType", json!(media_type));
        without.manifest.as_object_mut().unwrap().remove("layers");
        let null = Image::new(1)
            .with("mediaType", json!(media_type))
            .with("layers", Value::Null);
        for image in [without, null] {
            let text = image.text();
            api.ok("PutImage", put("demo", &text, Some(&digest(&text)[7..20])))
                .await;
            assert_eq!(details(&api, &digest(&text)).await["imageSizeInBytes"], 12);
            let id = json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": digest(&text) }] });
            let deleted = api.ok("BatchDeleteImage", id).await;
            assert_eq!(deleted["failures"], json!([]));
        }
    }
}

#[tokio::test]
async fn an_optional_member_that_is_null_is_as_one_that_is_not_there() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let nulls = |members: &[&str], value: &Value| {
        let mut value = value.clone();
        for member in members {
            value[*member] = Value::Null;
        }
        value
    };
    let members = ["urls", "annotations", "data", "platform", "artifactType"];
    let manifest = nulls(
        &[
            "subject",
            "annotations",
            "artifactType",
            "manifests",
            "blobs",
            "fsLayers",
        ],
        &image.manifest,
    );
    let manifest = Image {
        manifest,
        blobs: Vec::new(),
    }
    .with("config", nulls(&members, &image.manifest["config"]))
    .with("layers", json!([nulls(&members, &image.manifest["layers"][0])]));
    let text = manifest.text();
    api.ok("PutImage", put("demo", &text, Some("v1"))).await;
    let of_index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "artifactType": null, "subject": null, "annotations": null,
        "config": null, "layers": null,
        "manifests": [nulls(&members, &descriptor(OCI_MANIFEST, text.as_bytes()))],
    });
    api.push_index("demo", Some("all"), &of_index).await;
}

#[tokio::test]
async fn media_types_have_no_case_and_are_kept_as_they_are_registered() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    for given in [
        OCI_MANIFEST.to_uppercase(),
        format!("{OCI_MANIFEST}; charset=utf-8"),
        format!(" {} ;q=1", OCI_MANIFEST.replace("json", "JSON")),
    ] {
        let mut untyped = image.manifest.clone();
        untyped.as_object_mut().unwrap().remove("mediaType");
        let mut input = put("demo", &untyped.to_string(), Some(&given.len().to_string()));
        input["imageManifestMediaType"] = json!(given);
        let stored = api.ok("PutImage", input).await;
        assert_eq!(stored["image"]["imageManifestMediaType"], OCI_MANIFEST);
    }
}
