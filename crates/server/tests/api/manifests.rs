//! Manifests: the kinds that are stored, what is known of each, and documents that are none.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::content::{
    ABSENT, DOCKER_LIST, Image, MEBIBYTE, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, descriptor, digest,
    index, put,
};
use crate::put_image::{demo, details};

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
        with("layers", Value::Null),
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
    // As many characters as are allowed, and more bytes.
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
