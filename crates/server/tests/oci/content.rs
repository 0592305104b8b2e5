//! Blobs and manifests for tests, and functions to push them.

use ecru_model::{Digest, DigestAlgorithm};
use serde_json::{Value, json};

use crate::client::{Registry, Reply};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

pub(crate) const ALGORITHMS: [DigestAlgorithm; 2] = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512];

pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest(DigestAlgorithm::Sha256, bytes)
}

pub(crate) fn digest(algorithm: DigestAlgorithm, bytes: &[u8]) -> String {
    Digest::computed(algorithm, bytes).to_string()
}

/// Bytes that depend on the seed and repeat only after a long period.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

pub(crate) fn descriptor(media_type: &str, digest: &str, size: usize) -> Value {
    json!({ "mediaType": media_type, "digest": digest, "size": size })
}

/// An image: a manifest and the blobs that it names.
pub(crate) struct Image {
    pub(crate) manifest: Vec<u8>,
    pub(crate) blobs: Vec<Vec<u8>>,
}

impl Image {
    /// An image of one config and one layer. Each seed gives different content.
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    pub(crate) fn with(seed: u64, change: impl FnOnce(&mut Value)) -> Self {
        Self::digested(DigestAlgorithm::Sha256, seed, change)
    }

    /// `change` may modify the manifest.
    pub(crate) fn digested(algorithm: DigestAlgorithm, seed: u64, change: impl FnOnce(&mut Value)) -> Self {
        let config = format!("{{\"seed\":{seed}}}").into_bytes();
        let layer = bytes(seed, 700);
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &digest(algorithm, &config), config.len()),
            "layers": [descriptor(LAYER, &digest(algorithm, &layer), layer.len())],
        });
        change(&mut manifest);
        Self {
            manifest: manifest.to_string().into_bytes(),
            blobs: vec![config, layer],
        }
    }

    pub(crate) fn digest(&self) -> String {
        sha256(&self.manifest)
    }

    pub(crate) fn descriptor(&self) -> Value {
        descriptor(MANIFEST, &self.digest(), self.manifest.len())
    }
}

pub(crate) fn index(children: &[Value]) -> Vec<u8> {
    index_with(children, |_| {})
}

pub(crate) fn index_with(children: &[Value], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
    change(&mut document);
    document.to_string().into_bytes()
}

impl Registry {
    pub(crate) async fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        self.push_blob_as(DigestAlgorithm::Sha256, repository, bytes)
            .await
    }

    pub(crate) async fn push_blob_as(
        &self,
        algorithm: DigestAlgorithm,
        repository: &str,
        bytes: &[u8],
    ) -> String {
        let digest = digest(algorithm, bytes);
        let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.post(&target).body(bytes).send().await.is(201);
        digest
    }

    pub(crate) async fn put_manifest(&self, repository: &str, reference: &str, manifest: &[u8]) -> Reply {
        let media_type = serde_json::from_slice::<Value>(manifest)
            .ok()
            .and_then(|manifest| manifest["mediaType"].as_str().map(str::to_owned))
            .unwrap_or_else(|| MANIFEST.to_owned());
        self.put(&format!("/v2/{repository}/manifests/{reference}"))
            .header("Content-Type", &media_type)
            .body(manifest)
            .send()
            .await
    }

    pub(crate) async fn push_blobs(&self, algorithm: DigestAlgorithm, repository: &str, image: &Image) {
        for blob in &image.blobs {
            self.push_blob_as(algorithm, repository, blob).await;
        }
    }

    /// Pushes an image with its blobs, and returns its digest.
    pub(crate) async fn push(&self, repository: &str, reference: &str, image: &Image) -> String {
        self.push_blobs(DigestAlgorithm::Sha256, repository, image).await;
        self.put_manifest(repository, reference, &image.manifest)
            .await
            .is(201);
        image.digest()
    }

    /// Begins an upload in `demo` and returns its address.
    pub(crate) async fn begin_upload(&self) -> String {
        let reply = self.post("/v2/demo/blobs/uploads/").send().await;
        reply.is(202).header("location").unwrap().to_owned()
    }
}
