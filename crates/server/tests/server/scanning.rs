//! Scanning by the whole server: pushed layers, advisories that were imported or are in a directory, and
//! findings that a test has set.

#![expect(clippy::indexing_slicing, reason = "a helper that fails is a test that fails")]

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::client::{Answer, Running, start, start_with};
use crate::introspection::operate;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An uncompressed archive of some files.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (path, content) in files {
        let mut header = [0_u8; 512];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend(header);
        archive.extend_from_slice(content.as_bytes());
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend([0; 1024]);
    archive
}

pub(crate) fn debian() -> Vec<u8> {
    tar(&[
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        (
            "var/lib/dpkg/status",
            "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9+deb12u1\n",
        ),
    ])
}

pub(crate) fn glibc() -> Value {
    json!({
        "id": "DEBIAN-CVE-2023-4911", "modified": "2024-01-02T03:04:05Z", "upstream": ["CVE-2023-4911"],
        "details": "A buffer overflow in the dynamic loader while GLIBC_TUNABLES is read.",
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H" }],
        "affected": [{
            "package": { "ecosystem": "Debian:12", "name": "glibc" },
            "ranges": [{
                "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "2.36-9+deb12u3" }],
            }],
        }],
    })
}

fn digest(bytes: &[u8]) -> String {
    ecru_model::Digest::of(bytes).to_string()
}

async fn send(server: &Running, head: &str, media_type: &str, body: &[u8]) -> Answer {
    let mut client = server.connect().await;
    let head = format!(
        "{head} HTTP/1.1\r\nHost: localhost:4566\r\nAuthorization: Basic dGVzdDp0ZXN0\r\nContent-Type: {media_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head).await;
    client.send(body).await;
    client.answer(false).await
}

/// Pushes an image of one layer as `demo:v1`, which starts a scan, and returns its digest.
pub(crate) async fn push(server: &Running, layer: &[u8]) -> String {
    let create = json!({ "repositoryName": "demo", "imageScanningConfiguration": { "scanOnPush": true } });
    operate(server, "test", "us-east-1", "CreateRepository", create).await;
    push_tagged(server, layer, "v1").await
}

/// Pushes to a repository that exists.
pub(crate) async fn push_tagged(server: &Running, layer: &[u8], tag: &str) -> String {
    let config = b"{}";
    for blob in [config.as_slice(), layer] {
        let head = format!("POST /v2/demo/blobs/uploads/?digest={}", digest(blob));
        let answer = send(server, &head, "application/octet-stream", blob).await;
        assert_eq!(answer.status, 201);
    }
    let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
    .to_string();
    let head = format!("PUT /v2/demo/manifests/{tag}");
    let answer = send(server, &head, MANIFEST, manifest.as_bytes()).await;
    assert_eq!(answer.status, 201);
    digest(manifest.as_bytes())
}

pub(crate) async fn findings(server: &Running) -> Value {
    send(server, "POST /_ecru/run-due", "application/json", b"").await;
    let input = json!({ "repositoryName": "demo", "imageId": { "imageTag": "v1" } });
    operate(server, "test", "us-east-1", "DescribeImageScanFindings", input)
        .await
        .json()
}

pub(crate) fn check_glibc(described: &Value) {
    assert_eq!(described["imageScanStatus"]["status"], "COMPLETE");
    let found = &described["imageScanFindings"];
    assert_eq!(found["findingSeverityCounts"], json!({ "HIGH": 1 }));
    assert_eq!(found["vulnerabilitySourceUpdatedAt"], 1_704_164_645);
    let expected = json!({
        "name": "CVE-2023-4911", "severity": "HIGH",
        "description": "A buffer overflow in the dynamic loader while GLIBC_TUNABLES is read.",
        "uri": "https://osv.dev/vulnerability/DEBIAN-CVE-2023-4911",
        "attributes": [
            { "key": "package_version", "value": "2.36-9+deb12u1" },
            { "key": "package_name", "value": "libc6" },
            { "key": "CVSS3_VECTOR", "value": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H" },
            { "key": "CVSS3_SCORE", "value": "7.8" },
        ],
    });
    assert_eq!(found["findings"], json!([expected]));
}

fn import(data: &Path, sources: &[&Path]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ecru"))
        .env_clear()
        .args(["advisories", "import", "--data-dir"])
        .arg(data)
        .args(sources)
        .output()
        .expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn an_image_is_scanned_against_advisories_that_were_imported_meanwhile() {
    let server = start().await;
    push(&server, &debian()).await;
    let before = findings(&server).await;
    assert_eq!(before["imageScanStatus"]["status"], "FAILED");
    let description = before["imageScanStatus"]["description"].as_str().expect("text");
    assert!(description.starts_with("AdvisoryDataError: No advisory data is loaded for Debian:12"));

    let files = tempfile::tempdir().expect("a directory");
    let (good, bad) = (files.path().join("glibc.json"), files.path().join("bad.json"));
    fs::write(&good, glibc().to_string()).expect("a file");
    fs::write(&bad, "{\"id\": 1}").expect("a file");
    let data = server.server.data_directory().to_owned();
    let imported = tokio::task::spawn_blocking(move || {
        let whole = import(&data, &[files.path()]);
        let refused = import(&data, &[&bad]);
        (whole, refused, import(&data, &[&files.path().join("absent")]))
    });
    let (whole, refused, absent) = imported.await.expect("no panic");
    let repeated = "imported 1 advisories\nscans to repeat, because they lacked advisories: 1\n";
    assert!(whole.0 && whole.1 == repeated, "{whole:?}");
    assert!(whole.2.contains("1 documents are not advisories"), "{whole:?}");
    assert!(
        !refused.0 && !absent.0 && absent.2.starts_with("ecru: "),
        "{absent:?}"
    );

    check_glibc(&findings(&server).await);
    // That scan was not requested, so it does not use up the daily limit.
    let input = json!({ "repositoryName": "demo", "imageId": { "imageTag": "v1" } });
    operate(&server, "test", "us-east-1", "StartImageScan", input).await;
    check_glibc(&findings(&server).await);
}

#[tokio::test]
async fn advisories_of_a_directory_are_looked_at_before_each_scan() {
    let files = tempfile::tempdir().expect("a directory");
    let directory = files.path().to_owned();
    let server = start_with(|options| options.advisories = Some(directory)).await;
    fs::write(files.path().join("glibc.json"), glibc().to_string()).expect("a file");
    push(&server, &debian()).await;
    check_glibc(&findings(&server).await);
}

#[tokio::test]
async fn findings_are_set_and_released_for_a_digest() {
    let server = start().await;
    let digest = push(&server, &debian()).await;
    let preset = |body: Value| {
        let body = body.to_string();
        let server = &server;
        async move { send(server, "PUT /_ecru/findings", "application/json", body.as_bytes()).await }
    };
    let found = json!({ "name": "CVE-2099-0001", "severity": "CRITICAL", "attributes": [{ "key": "a", "value": "b" }] });
    let set = preset(json!({ "imageDigest": digest, "findings": [found] })).await;
    assert_eq!(set.status, 200);
    assert_eq!(
        set.json(),
        json!({ "imageDigest": digest, "findings": 1, "images": 1 })
    );
    let described = findings(&server).await;
    assert_eq!(described["imageScanStatus"]["status"], "COMPLETE");
    assert_eq!(described["imageScanFindings"]["findings"], json!([found]));

    for body in [
        json!({ "imageDigest": "v1", "findings": [] }),
        json!({ "imageDigest": digest, "findings": [{ "severity": "HIGH" }] }),
        json!({ "imageDigest": digest, "findings": [{ "name": "x", "severity": "BAD" }] }),
        json!([]),
    ] {
        assert_eq!(preset(body).await.status, 400);
    }
    let release = format!("DELETE /_ecru/findings?imageDigest={digest}");
    for status in [200, 404] {
        assert_eq!(
            send(&server, &release, "application/json", b"").await.status,
            status
        );
    }
    assert_eq!(
        send(&server, "GET /_ecru/findings", "text/plain", b"")
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn a_layer_that_is_no_archive_fails_its_scan_only() {
    let server = start().await;
    push(&server, b"this is not a layer").await;
    let described = findings(&server).await;
    assert_eq!(described["imageScanStatus"]["status"], "FAILED");
    let description = described["imageScanStatus"]["description"]
        .as_str()
        .expect("text");
    assert!(
        description.starts_with("ScanError: a layer cannot be unpacked"),
        "{description}"
    );
}
