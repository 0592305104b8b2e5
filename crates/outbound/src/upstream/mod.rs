//! Upstream registries of the pull-through cache.

mod addresses;
mod challenge;
mod conversation;
mod places;
mod tokens;

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use ecru_model::Digest;
use ecru_registry::images::MANIFEST_BYTES_MAX;
use ecru_registry::pull_through_cache::{
    Answering, Pieces, Upstream, UpstreamBlob, UpstreamError, UpstreamManifest, Upstreams,
};
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Method, Response, Url};

use conversation::{Conversations, Question, WHOLE_TIMEOUT, gather};
use places::Places;

pub(crate) use addresses::PublicOnly;
pub(crate) use places::is_public_host;
pub use places::{parse_host, parse_redirection};

/// Every kind of manifest that can be stored here.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.artifact.manifest.v1+json, application/vnd.cncf.oras.artifact.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.5";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

pub struct OtherRegistries(Conversations);

impl OtherRegistries {
    /// `redirected` hosts are asked at another address. `allowed` hosts may be asked although the service does
    /// not support them.
    pub fn new(redirected: &[(String, Url)], allowed: &[String]) -> Self {
        Self(Conversations::new(Places::new(redirected, allowed)))
    }

    async fn ask(&self, upstream: &Upstream, question: Question<'_>) -> Result<Response, UpstreamError> {
        self.0.ask(upstream, &question).await
    }
}

impl Upstreams for OtherRegistries {
    fn admits(&self, host: &str) -> bool {
        self.0.places.names(host)
    }

    fn enter<'a>(&'a self, upstream: &'a Upstream) -> Answering<'a, ()> {
        Box::pin(async move {
            let question = Question {
                method: Method::GET,
                path: "/v2/".to_owned(),
                accept: None,
                name: "",
                timeout: Some(WHOLE_TIMEOUT),
            };
            self.ask(upstream, question).await.map(drop)
        })
    }

    fn manifest<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        reference: &'a str,
    ) -> Answering<'a, UpstreamManifest> {
        Box::pin(async move {
            let response = self.ask(upstream, manifest(Method::GET, name, reference)).await?;
            let media_type = text(response.headers(), &CONTENT_TYPE)
                .and_then(|value| value.split(';').next())
                .map(|value| value.trim().to_owned());
            Ok(UpstreamManifest {
                bytes: gather(response, MANIFEST_BYTES_MAX).await?.into(),
                media_type,
            })
        })
    }

    fn manifest_digest<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        reference: &'a str,
    ) -> Answering<'a, Option<Digest>> {
        Box::pin(async move {
            let response = self
                .ask(upstream, manifest(Method::HEAD, name, reference))
                .await?;
            let digest = text(response.headers(), &CONTENT_DIGEST);
            Ok(digest.and_then(|digest| Digest::parse(digest).ok()))
        })
    }

    fn blob_size<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, Option<u64>> {
        Box::pin(async move {
            let question = Question {
                timeout: Some(WHOLE_TIMEOUT),
                ..blob(Method::HEAD, name, digest)
            };
            let response = self.ask(upstream, question).await?;
            Ok(size(response.headers()))
        })
    }

    fn blob<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, UpstreamBlob> {
        Box::pin(async move {
            let response = self.ask(upstream, blob(Method::GET, name, digest)).await?;
            if response.headers().contains_key(CONTENT_ENCODING) {
                return Err(UpstreamError::Unusable("a layer in an encoding"));
            }
            Ok(UpstreamBlob {
                size_bytes: size(response.headers()),
                pieces: Box::new(Coming(response)),
            })
        })
    }

    fn referrers<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let question = Question {
                method: Method::GET,
                path: format!("/v2/{name}/referrers/{digest}"),
                accept: Some(INDEX),
                name,
                timeout: Some(WHOLE_TIMEOUT),
            };
            let response = self.ask(upstream, question).await?;
            Ok(gather(response, MANIFEST_BYTES_MAX).await?.into())
        })
    }
}

fn manifest<'a>(method: Method, name: &'a str, reference: &str) -> Question<'a> {
    Question {
        method,
        path: format!("/v2/{name}/manifests/{reference}"),
        accept: Some(MANIFESTS),
        name,
        timeout: Some(WHOLE_TIMEOUT),
    }
}

fn blob<'a>(method: Method, name: &'a str, digest: &Digest) -> Question<'a> {
    Question {
        method,
        path: format!("/v2/{name}/blobs/{digest}"),
        accept: None,
        name,
        timeout: None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn size(headers: &HeaderMap) -> Option<u64> {
    text(headers, &CONTENT_LENGTH)?.parse().ok()
}

/// The body of an answer, as it arrives.
struct Coming(Response);

impl Pieces for Coming {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<io::Result<Bytes>>> + Send + '_>> {
        Box::pin(async move {
            let piece = self.0.chunk().await.transpose()?;
            Some(piece.map_err(|error| io::Error::other(error.without_url())))
        })
    }
}
