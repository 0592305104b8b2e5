//! Blobs and manifests for tests, and functions to push them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ecru_model::{Digest, ImageTag, RepositoryName};
use ecru_registry::Error;
use ecru_registry::images::{ManifestStored, PutManifest, Reference, put_manifest};
use serde_json::{Value, json};

use crate::api::Api;

pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A valid digest of content that is not stored.
pub(crate) const ABSENT: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";

pub(crate) const MEBIBYTE: usize = 1024 * 1024;

pub(crate) fn digest(bytes: impl AsRef<[u8]>) -> String {
    Digest::of(bytes.as_ref()).to_string()
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// An image manifest with the blobs that it names.
pub(crate) struct Image {
    pub(crate) manifest: Value,
    pub(crate) blobs: Vec<Vec<u8>>,
}

impl Image {
    /// An image with a config of 12 bytes and a layer of 24 bytes. Each seed gives different content.
    pub(crate) fn new(seed: usize) -> Self {
        let config = format!("{{\"n\":{seed:06}}}").into_bytes();
        let layer = format!("layer {seed:018}").into_bytes();
        Self {
            manifest: json!({
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": descriptor(OCI_CONFIG, &config),
                "layers": [descriptor(OCI_LAYER, &layer)],
            }),
            blobs: vec![config, layer],
        }
    }

    pub(crate) fn docker(seed: usize) -> Self {
        Self::new(seed)
            .with("mediaType", json!(DOCKER_MANIFEST))
            .with_media_type("/config", DOCKER_CONFIG)
            .with_media_type("/layers/0", DOCKER_LAYER)
    }

    pub(crate) fn with(mut self, member: &str, value: Value) -> Self {
        self.manifest[member] = value;
        self
    }

    fn with_media_type(mut self, pointer: &str, media_type: &str) -> Self {
        self.manifest.pointer_mut(pointer).unwrap()["mediaType"] = json!(media_type);
        self
    }

    pub(crate) fn text(&self) -> String {
        self.manifest.to_string()
    }

    pub(crate) fn digest(&self) -> String {
        digest(self.text())
    }

    pub(crate) fn descriptor(&self) -> Value {
        descriptor(OCI_MANIFEST, self.text().as_bytes())
    }

    pub(crate) fn config_digest(&self) -> String {
        digest(&self.blobs[0])
    }

    pub(crate) fn layer_digest(&self) -> String {
        digest(&self.blobs[1])
    }
}

pub(crate) fn index(children: &[&Image]) -> Value {
    let children = children
        .iter()
        .map(|child| child.descriptor())
        .collect::<Vec<_>>();
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children })
}

impl Api {
    pub(crate) async fn create(&self, name: &str) -> Value {
        self.ok("CreateRepository", json!({ "repositoryName": name }))
            .await
    }

    pub(crate) async fn begin_upload(&self, repository: &str) -> String {
        let begun = self
            .ok("InitiateLayerUpload", json!({ "repositoryName": repository }))
            .await;
        begun["uploadId"].as_str().unwrap().to_owned()
    }

    /// Starts an upload of one part without completing it.
    pub(crate) async fn upload(&self, repository: &str, bytes: &[u8]) -> String {
        let id = self.begin_upload(repository).await;
        self.ok("UploadLayerPart", part(repository, &id, 0, bytes)).await;
        id
    }

    pub(crate) async fn push_layer(&self, repository: &str, bytes: &[u8]) -> String {
        let id = self.upload(repository, bytes).await;
        let digest = digest(bytes);
        self.ok("CompleteLayerUpload", completion(repository, &id, &[&digest]))
            .await;
        digest
    }

    /// Uploads the layers of an image. Layers that exist are skipped.
    pub(crate) async fn push_layers(&self, repository: &str, image: &Image) {
        for blob in &image.blobs {
            let digests = json!({ "repositoryName": repository, "layerDigests": [digest(blob)] });
            let checked = self.ok("BatchCheckLayerAvailability", digests).await;
            if checked["layers"][0]["layerAvailability"] != "AVAILABLE" {
                self.push_layer(repository, blob).await;
            }
        }
    }

    /// Pushes an image with its layers and returns its digest.
    pub(crate) async fn push(&self, repository: &str, tag: Option<&str>, image: &Image) -> String {
        self.push_layers(repository, image).await;
        self.ok("PutImage", put(repository, &image.text(), tag)).await;
        image.digest()
    }

    pub(crate) async fn push_index(&self, repository: &str, tag: Option<&str>, index: &Value) -> String {
        let text = index.to_string();
        self.ok("PutImage", put(repository, &text, tag)).await;
        digest(text)
    }

    /// Pushes a manifest through the OCI API.
    pub(crate) async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        manifest: impl Into<Bytes>,
    ) -> Result<ManifestStored, Error> {
        let reference = match Digest::parse(reference) {
            Ok(digest) => Reference::Digest(digest),
            Err(_) => Reference::Tag(ImageTag::parse(reference).unwrap()),
        };
        let put = PutManifest {
            repository: RepositoryName::parse(repository).unwrap(),
            reference,
            content_type: Some(OCI_MANIFEST.to_owned()),
            tags: Vec::new(),
            bytes: manifest.into(),
        };
        put_manifest(&self.context(), put).await
    }

    /// The tags of a repository, each with the digest of its image.
    pub(crate) async fn tags(&self, repository: &str) -> Vec<(String, String)> {
        let filter =
            json!({ "repositoryName": repository, "filter": { "tagStatus": "TAGGED" }, "maxResults": 1000 });
        let listed = self.ok("ListImages", filter).await;
        let text = |id: &Value, member: &str| id[member].as_str().unwrap().to_owned();
        let mut tags = listed["imageIds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| (text(id, "imageTag"), text(id, "imageDigest")))
            .collect::<Vec<_>>();
        tags.sort();
        tags
    }

    /// The digests of all images of a repository.
    pub(crate) async fn digests(&self, repository: &str) -> Vec<String> {
        let all = json!({ "repositoryName": repository, "maxResults": 1000 });
        let described = self.ok("DescribeImages", all).await;
        let details = described["imageDetails"].as_array().unwrap();
        details
            .iter()
            .map(|detail| detail["imageDigest"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub(crate) fn part(repository: &str, upload: &str, first: usize, bytes: &[u8]) -> Value {
    json!({
        "repositoryName": repository,
        "uploadId": upload,
        "partFirstByte": first,
        "partLastByte": first + bytes.len() - 1,
        "layerPartBlob": STANDARD.encode(bytes),
    })
}

pub(crate) fn completion(repository: &str, upload: &str, digests: &[&str]) -> Value {
    json!({ "repositoryName": repository, "uploadId": upload, "layerDigests": digests })
}

pub(crate) fn put(repository: &str, manifest: &str, tag: Option<&str>) -> Value {
    let mut input = json!({ "repositoryName": repository, "imageManifest": manifest });
    if let Some(tag) = tag {
        input["imageTag"] = json!(tag);
    }
    input
}

/// Encodes a layer part in base64.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
