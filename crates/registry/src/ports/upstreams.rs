//! The interface of other registries that the cache needs; its implementation is outside this crate.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use ecru_model::Digest;

use super::secret::Secret;

/// The registry to ask, and the credentials to use. The credentials go to no other registry.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `host` or `host:port`, as rules name it.
    pub host: String,
    pub credentials: Option<Credentials>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub access_token: Secret,
}

pub struct UpstreamManifest {
    pub bytes: Bytes,
    pub media_type: Option<String>,
}

pub struct UpstreamBlob {
    /// The size that the registry announced before the first byte.
    pub size_bytes: Option<u64>,
    pub pieces: Box<dyn Pieces>,
}

/// Bytes that arrive piece by piece.
pub trait Pieces: Send {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<io::Result<Bytes>>> + Send + '_>>;
}

pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, UpstreamError>> + Send + 'a>>;

/// Other registries. Every call returns within a bounded time.
pub trait Upstreams: Send + Sync {
    /// Whether the operator named this registry, so that it may be asked although ECR does not support it.
    fn admits(&self, host: &str) -> bool;

    /// Whether the registry accepts the credentials.
    fn enter<'a>(&'a self, upstream: &'a Upstream) -> Answering<'a, ()>;

    /// At most `MANIFEST_BYTES_MAX` bytes, not verified.
    fn manifest<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        reference: &'a str,
    ) -> Answering<'a, UpstreamManifest>;

    /// The digest of a manifest, if the registry reports it without sending the manifest.
    fn manifest_digest<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        reference: &'a str,
    ) -> Answering<'a, Option<Digest>>;

    fn blob_size<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, Option<u64>>;

    /// The bytes of a blob, not verified.
    fn blob<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, UpstreamBlob>;

    /// The index of the images whose subject is the digest, at most `MANIFEST_BYTES_MAX` bytes.
    fn referrers<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, Bytes>;
}

/// Why an upstream did not return what it was asked for. Contains no credentials.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the upstream registry does not have it")]
    NotFound,

    #[error("the upstream registry rejected the credentials, or requires credentials")]
    Denied,

    #[error("the upstream registry limits the rate of requests")]
    TooManyRequests,

    /// The address is forbidden, or no operator named it.
    #[error("the upstream registry must not be asked: {0}")]
    Forbidden(&'static str),

    #[error("the upstream registry sent what cannot be used: {0}")]
    Unusable(&'static str),

    #[error("the upstream registry cannot be reached")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),

    #[error("the upstream registry failed with status {0}")]
    Failed(u16),
}
