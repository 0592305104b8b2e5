//! Builds requests of the two protocols.

use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::launch::BASIC;
use crate::load::{Blob, HOST, Request, Response};
use crate::signing;

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The accept header of containerd for a manifest.
const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
const USER_AGENT: &str = "containerd/2.0.5+unknown";
const OCTETS: &str = "application/octet-stream";

/// A request of the ECR API.
pub(crate) fn call(operation: &str, input: &Value) -> Rc<Request> {
    let body = input.to_string();
    signed("POST", "/", operation, body.as_bytes())
}

/// A GET of a file in place of an ECR answer, with the headers of the ECR request.
pub(crate) fn fetch(path: &str, operation: &str) -> Rc<Request> {
    signed("GET", path, operation, b"")
}

fn signed(method: &str, path: &str, operation: &str, body: &[u8]) -> Rc<Request> {
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    let headers = signing::headers(&target, HOST, body);
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    Request::new(method, path, &headers.collect::<Vec<_>>(), body)
}

/// A request of the OCI protocol without a body, as the user `test`.
pub(crate) fn ask(method: &str, path: &str) -> Rc<Request> {
    Client::test().ask(method, path)
}

/// A logged-in client of the OCI protocol. It sends its credentials with each request.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    authorization: Rc<str>,
}

impl Client {
    /// With user and password, which ecru accepts and the other servers ignore.
    pub(crate) fn test() -> Self {
        let [(_, authorization)] = BASIC;
        Self {
            authorization: authorization.into(),
        }
    }

    /// With the token of `GetAuthorizationToken`.
    pub(crate) fn with_token(token: &str) -> Self {
        Self {
            authorization: format!("Basic {token}").into(),
        }
    }

    fn headers<'a>(&'a self, last: (&'a str, &'a str)) -> [(&'a str, &'a str); 4] {
        [
            ("User-Agent", USER_AGENT),
            ("Authorization", &self.authorization),
            last,
            ("Accept-Encoding", "gzip"),
        ]
    }

    /// A request without a body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Rc<Request> {
        Request::new(method, path, &self.headers(("Accept", ACCEPT)), b"")
    }

    pub(crate) fn begin_upload(&self, repository: &str) -> Rc<Request> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        Request::new("POST", &path, &self.headers(("Accept", ACCEPT)), b"")
    }

    /// Ends an upload with the whole blob.
    pub(crate) fn finish_upload(&self, location: &str, blob: &Blob) -> Rc<Request> {
        let path = with_digest(location, &blob.digest);
        Request::with_content(
            "PUT",
            &path,
            &self.headers(("Content-Type", OCTETS)),
            blob.content,
        )
    }

    /// Sends the whole blob and leaves the upload open.
    pub(crate) fn append_upload(&self, location: &str, blob: &Blob) -> Rc<Request> {
        let headers = self.headers(("Content-Type", OCTETS));
        Request::with_content("PATCH", location, &headers, blob.content)
    }

    /// Ends an upload that has all its bytes.
    pub(crate) fn close_upload(&self, location: &str, digest: &str) -> Rc<Request> {
        let headers = self.headers(("Accept", ACCEPT));
        Request::new("PUT", &with_digest(location, digest), &headers, b"")
    }

    pub(crate) fn put_manifest(&self, repository: &str, tag: &str, manifest: &str) -> Rc<Request> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let headers = self.headers(("Content-Type", MANIFEST_TYPE));
        Request::new("PUT", &path, &headers, manifest.as_bytes())
    }
}

fn with_digest(location: &str, digest: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}

/// The path and query at which an upload continues.
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
