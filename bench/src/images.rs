//! Images that share their layers but have different manifests.

use std::rc::Rc;

use anyhow::Result;
use serde_json::{Value, json};

use crate::contestant::Contestant;
use crate::load::{Blob, Request, digest_of, exchange_all};
use crate::server::Server;
use crate::wire::{self, MANIFEST_TYPE};

pub(crate) const SEEDED: &str = "bench/seeded";

const LAYERS: u64 = 3;
const LAYER_BYTES: u64 = 4096;
const CONNECTIONS: usize = 32;
/// Number of requests that are built ahead of the load at a time.
const BATCH: usize = 10_000;

/// Images with the same configuration and the same layers.
#[derive(Debug)]
pub(crate) struct Family {
    configuration: Blob,
    layers: Vec<Blob>,
}

impl Family {
    pub(crate) fn new() -> Self {
        Self::with_layers((0..LAYERS).map(|number| Blob::new(number, LAYER_BYTES)).collect())
    }

    pub(crate) fn with_layers(layers: Vec<Blob>) -> Self {
        Self {
            configuration: Blob::new(u64::MAX, 1024),
            layers,
        }
    }

    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().chain([&self.configuration])
    }

    /// The manifest of one image of the family.
    pub(crate) fn manifest(&self, number: u64) -> String {
        let descriptor = |kind: &str, blob: &Blob| {
            json!({
                "mediaType": format!("application/vnd.oci.image.{kind}"),
                "digest": blob.digest,
                "size": blob.content.size_bytes(),
            })
        };
        let layers = self
            .layers
            .iter()
            .map(|blob| descriptor("layer.v1.tar+gzip", blob));
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor("config.v1+json", &self.configuration),
            "layers": layers.collect::<Vec<_>>(),
            "annotations": {"number": number.to_string()},
        });
        manifest.to_string()
    }

    /// Creates the repository, and stores the blobs if the server requires them before an image.
    pub(crate) fn prepare(&self, server: &Server, repository: &str) -> Result<()> {
        server.make_repository(repository)?;
        if server.contestant != Contestant::Moto {
            for blob in self.blobs() {
                server.push_blob(repository, blob)?;
            }
        }
        Ok(())
    }

    pub(crate) fn put_image(&self, repository: &str, number: u64) -> Rc<Request> {
        let manifest = self.manifest(number);
        let input = json!({
            "repositoryName": repository,
            "imageTag": tag(number),
            "imageManifest": manifest,
            "imageManifestMediaType": MANIFEST_TYPE,
        });
        wire::call("PutImage", &input)
    }

    /// The digest by which an image can be deleted.
    pub(crate) fn identifier(&self, number: u64) -> Value {
        json!({"imageDigest": digest_of(self.manifest(number).as_bytes())})
    }
}

/// A tag that sorts as its number does.
pub(crate) fn tag(number: u64) -> String {
    format!("v{number:08}")
}

/// Stores `count` images in one repository, each with a tag.
pub(crate) fn put_images(server: &Server, family: &Family, repository: &str, count: usize) -> Result<()> {
    let mut numbers = 0..count as u64;
    loop {
        let batch = numbers.by_ref().take(BATCH);
        let requests = batch
            .map(|it| family.put_image(repository, it))
            .collect::<Vec<_>>();
        if requests.is_empty() {
            return Ok(());
        }
        exchange_all(server.address, CONNECTIONS, requests, 200)?;
    }
}

pub(crate) fn seed(server: &Server, count: usize) -> Result<()> {
    let family = Family::new();
    family.prepare(server, SEEDED)?;
    put_images(server, &family, SEEDED, count)
}

/// Layers that no other image has.
pub(crate) fn own_layers(first: u64, count: u64, size_bytes: u64) -> Vec<Blob> {
    let numbers = first..first + count;
    numbers.map(|number| Blob::new(number, size_bytes)).collect()
}
