//! The HTTP client: bounded in time and size, without redirects. Its errors contain no secret.

use std::time::Duration;

use ecru_model::Digest;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the HTTP client cannot be made")]
    Setup(#[source] reqwest::Error),

    #[error("the server did not answer")]
    Unanswered(#[source] reqwest::Error),

    #[error("the answer was {0}")]
    Refused(StatusCode),

    #[error("the answer was longer than 1 MiB")]
    TooLong,

    #[error("the answer could not be read")]
    Unreadable(#[source] serde_json::Error),
}

/// An address to which requests are posted.
pub(crate) struct Target {
    client: Client,
    url: Url,
    label: String,
}

impl Target {
    pub(crate) fn new(url: Url) -> Result<Self, ClientError> {
        let client = Client::builder()
            .user_agent(concat!("ecru/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        // Plain HTTP needs no certificates, and a small container has none.
        let client = if url.scheme() == "http" {
            client.tls_certs_only([])
        } else {
            client
        };
        Ok(Self {
            client: client.build().map_err(ClientError::Setup)?,
            label: url.origin().ascii_serialization(),
            url,
        })
    }

    /// Scheme, host and port.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Identifies this address without revealing secrets that it may contain.
    pub(crate) fn key(&self, kind: &str) -> String {
        format!("{kind} {}", Digest::of(self.url.as_str().as_bytes()))
    }

    pub(crate) fn post(&self, media_type: &'static str, body: String) -> RequestBuilder {
        self.client
            .post(self.url.clone())
            .header(CONTENT_TYPE, media_type)
            .body(body)
    }
}

/// Sends a request. Returns the body of an answer with a success status.
pub(crate) async fn send(request: RequestBuilder) -> Result<Vec<u8>, ClientError> {
    let unanswered = |error: reqwest::Error| ClientError::Unanswered(error.without_url());
    let mut response = request.send().await.map_err(unanswered)?;
    if !response.status().is_success() {
        return Err(ClientError::Refused(response.status()));
    }
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
        if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(ClientError::TooLong);
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}
