//! Sends requests to the endpoint, one at a time and bounded in time and size.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use reqwest::{Client as Http, Url, redirect};
use serde_json::Value;

use crate::{signature::Signer, variants::Manner};

const TIMEOUT: Duration = Duration::from_mins(1);
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

pub(crate) struct Client {
    http: Http,
    endpoint: Url,
    host: String,
    target_prefix: String,
    signer: Signer,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// Nothing where it is no JSON.
    pub(crate) body: Option<Value>,
}

impl Client {
    pub(crate) fn new(endpoint: &str, target_prefix: &str, signer: Signer) -> Result<Self> {
        let endpoint = Url::parse(endpoint).with_context(|| format!("`{endpoint}` is no address"))?;
        let host = endpoint.host_str().context("the endpoint names no host")?;
        let host = match endpoint.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let http = Http::builder()
            .user_agent(concat!("ecru-conformance/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT);
        // Without TLS no certificates are needed, of which a small container has none.
        let http = if endpoint.scheme() == "http" {
            http.tls_certs_only([])
        } else {
            http
        };
        Ok(Self {
            http: http.build().context("the HTTP client cannot be made")?,
            endpoint,
            host,
            target_prefix: target_prefix.to_owned(),
            signer,
        })
    }

    /// The same endpoint for another region: its address names the region where the service's own does.
    pub(crate) fn in_region(&self, region: &str) -> Result<Self> {
        let mut signer = self.signer.clone();
        let endpoint = self.endpoint.as_str().replace(&signer.region, region);
        region.clone_into(&mut signer.region);
        Self::new(&endpoint, &self.target_prefix, signer)
    }

    pub(crate) async fn send(&self, operation: &str, body: Vec<u8>, manner: Manner) -> Result<Answer> {
        let content_type = match manner {
            Manner::OtherContentType => "text/plain",
            _ => CONTENT_TYPE,
        };
        let mut headers = vec![
            ("content-type", content_type.to_owned()),
            ("host", self.host.clone()),
        ];
        if manner != Manner::NoTarget {
            headers.push(("x-amz-target", format!("{}.{operation}", self.target_prefix)));
        }
        if manner != Manner::Unsigned {
            headers.extend(self.signer.sign(&headers, &body, Timestamp::now()));
        }
        let mut request = self.http.post(self.endpoint.clone()).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request
            .send()
            .await
            .with_context(|| format!("nobody answered `{operation}`"))?;
        let content_type = response.headers().get("content-type");
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let (status, content_type) = (
            response.status().as_u16(),
            content_type.unwrap_or_default().to_owned(),
        );
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.context("the answer was cut")? {
            ensure!(
                bytes.len() + chunk.len() <= ANSWER_BYTES_MAX,
                "the answer is longer than 32 MiB"
            );
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            content_type,
            body: serde_json::from_slice(&bytes).ok(),
        })
    }
}

impl Answer {
    /// The code of an error, without the namespace that some services put before it.
    pub(crate) fn code(&self) -> Option<&str> {
        let name = self.body.as_ref()?.get("__type")?.as_str()?;
        Some(name.rsplit('#').next().unwrap_or(name))
    }
}
