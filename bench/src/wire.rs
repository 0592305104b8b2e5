//! Requests of the two protocols, and the set-up that is made of them.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::contestant::Contestant;
use crate::launch::BASIC;
use crate::load::{Blob, Request, Response, exchange};
use crate::server::Server;

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Shaped as a signature; neither ecru nor the other emulators verify it.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request, \
     SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
     Signature=0000000000000000000000000000000000000000000000000000000000000000";

/// A request of the ECR API.
pub(crate) fn call(operation: &str, input: &Value) -> Rc<Request> {
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    let headers = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("X-Amz-Date", "20260101T000000Z"),
        ("X-Amz-Target", &target),
        ("Authorization", SIGNATURE),
    ];
    Request::new("POST", "/", &headers, input.to_string().as_bytes())
}

/// A request of the OCI protocol without a body.
pub(crate) fn ask(method: &str, path: &str) -> Rc<Request> {
    let [basic] = BASIC;
    Request::new(method, path, &[basic, ("Accept", MANIFEST_TYPE)], b"")
}

pub(crate) fn begin_upload(repository: &str) -> Rc<Request> {
    Request::new("POST", &format!("/v2/{repository}/blobs/uploads/"), &BASIC, b"")
}

/// Ends an upload with the whole blob.
pub(crate) fn finish_upload(location: &str, blob: &Blob) -> Rc<Request> {
    let path = with_digest(location, &blob.digest);
    Request::with_content("PUT", &path, &OCTETS, blob.content)
}

/// Sends the whole blob and leaves the upload open.
pub(crate) fn append_upload(location: &str, blob: &Blob) -> Rc<Request> {
    Request::with_content("PATCH", location, &OCTETS, blob.content)
}

/// Ends an upload that has all its bytes.
pub(crate) fn close_upload(location: &str, digest: &str) -> Rc<Request> {
    Request::new("PUT", &with_digest(location, digest), &BASIC, b"")
}

pub(crate) fn put_manifest(repository: &str, tag: &str, manifest: &str) -> Rc<Request> {
    let [basic] = BASIC;
    let path = format!("/v2/{repository}/manifests/{tag}");
    Request::new(
        "PUT",
        &path,
        &[basic, ("Content-Type", MANIFEST_TYPE)],
        manifest.as_bytes(),
    )
}

const OCTETS: [(&str, &str); 2] = [BASIC[0], ("Content-Type", "application/octet-stream")];

fn with_digest(location: &str, digest: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}

/// Path and query of where an upload goes on.
pub(crate) fn location(response: &Response<'_>) -> Result<String> {
    response.expect(202)?;
    let text = response
        .header("location")
        .context("an upload without a location")?;
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)),
        None => Some(text),
    };
    Ok(path.context("an upload without a path")?.to_owned())
}

impl Server {
    /// Calls the ECR API and gives the output.
    pub(crate) fn call(&self, operation: &str, input: &Value) -> Result<Value> {
        exchange(self.address, call(operation, input), |response| {
            response.expect(200)?;
            Ok(serde_json::from_slice(response.body)?)
        })
        .with_context(|| format!("{operation} of {}", self.contestant))
    }

    pub(crate) fn expect(&self, request: Rc<Request>, status: u16) -> Result<()> {
        exchange(self.address, request, |response| response.expect(status))
    }

    /// The registries make a repository with its first push, the emulators need it before.
    pub(crate) fn make_repository(&self, name: &str) -> Result<()> {
        if Contestant::EMULATORS.contains(&self.contestant) {
            self.call("CreateRepository", &json!({"repositoryName": name}))?;
        }
        Ok(())
    }

    /// Stores a blob as clients do.
    pub(crate) fn push_blob(&self, repository: &str, blob: &Blob) -> Result<()> {
        let path = exchange(self.address, begin_upload(repository), location)?;
        self.expect(finish_upload(&path, blob), 201)
            .with_context(|| format!("a push to {}", self.contestant))
    }

    /// Compares what is stored with what was sent, before it is measured.
    pub(crate) fn check_manifest(&self, repository: &str, tag: &str, manifest: &str) -> Result<()> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        exchange(self.address, ask("GET", &path), |response| {
            response.expect(200)?;
            ensure!(response.body == manifest.as_bytes(), "another manifest came back");
            Ok(())
        })
    }
}
