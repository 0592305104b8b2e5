//! Sends requests to the endpoint one at a time, with limits on time and size.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use reqwest::{Client as Http, Url, redirect};
use serde_json::{Value, json};

use crate::{
    facts::{Facts, Operation, ProtocolName},
    form,
    signature::Signer,
    variants::{Body, Manner},
    xml,
};

const TIMEOUT: Duration = Duration::from_mins(1);
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

pub(crate) struct Client<'a> {
    http: Http,
    endpoint: Url,
    host: String,
    facts: &'a Facts,
    signer: Signer,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// Absent if the body is not in the protocol's format.
    pub(crate) body: Option<Value>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(endpoint: &str, facts: &'a Facts, signer: Signer) -> Result<Self> {
        let endpoint = Url::parse(endpoint).with_context(|| format!("`{endpoint}` is not a URL"))?;
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
        // A small container may have no certificates. Without TLS none are loaded.
        let http = if endpoint.scheme() == "http" {
            http.tls_certs_only([])
        } else {
            http
        };
        Ok(Self {
            http: http.build().context("the HTTP client cannot be built")?,
            endpoint,
            host,
            facts,
            signer,
        })
    }

    /// The same endpoint for another region. If the address names the region, it is replaced.
    pub(crate) fn in_region(&self, region: &str) -> Result<Self> {
        let mut signer = self.signer.clone();
        let endpoint = self.endpoint.as_str().replace(&signer.region, region);
        region.clone_into(&mut signer.region);
        Self::new(&endpoint, self.facts, signer)
    }

    pub(crate) async fn send(&self, operation: &str, body: &Body, manner: Manner) -> Result<Answer> {
        let facts = self.facts;
        let known = facts.operations.iter().find(|known| known.name == operation);
        let body = encode(facts, known, operation, (body, manner))?;
        let content_type = match manner {
            Manner::OtherContentType => "text/plain".to_owned(),
            _ => request_type(facts)?,
        };
        let mut headers = vec![("content-type", content_type), ("host", self.host.clone())];
        if let Some(prefix) = &facts.protocol.target_prefix
            && manner != Manner::NoTarget
        {
            headers.push(("x-amz-target", format!("{prefix}.{operation}")));
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
            .with_context(|| format!("no answer to `{operation}`"))?;
        let content_type = response.headers().get("content-type");
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let (status, content_type) = (
            response.status().as_u16(),
            content_type.unwrap_or_default().to_owned(),
        );
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.context("the answer ended early")? {
            ensure!(
                bytes.len() + chunk.len() <= ANSWER_BYTES_MAX,
                "the answer is longer than 32 MiB"
            );
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            content_type,
            body: decode(facts, known, &bytes),
        })
    }
}

/// The body of a request: an encoded input, or the given bytes.
fn encode(
    facts: &Facts,
    known: Option<&Operation>,
    operation: &str,
    (body, manner): (&Body, Manner),
) -> Result<Vec<u8>> {
    let action = (manner != Manner::NoTarget).then_some(operation);
    Ok(match (body, facts.protocol.name) {
        (Body::Text(text), ProtocolName::Query) => {
            let action = form::encode(facts, known, action, &Value::Null);
            format!("{action}&{text}").into_bytes()
        }
        (Body::Text(text), _) => text.as_bytes().to_vec(),
        (Body::Input(input), ProtocolName::Json) => input.to_string().into_bytes(),
        (Body::Input(input), ProtocolName::Query) => form::encode(facts, known, action, input).into_bytes(),
        (Body::Input(_), ProtocolName::RestJson) => bail!("REST requests are not supported yet"),
    })
}

fn decode(facts: &Facts, known: Option<&Operation>, bytes: &[u8]) -> Option<Value> {
    match facts.protocol.name {
        ProtocolName::Query => xml::body(facts, known, str::from_utf8(bytes).ok()?).ok(),
        // An operation without output has an empty body.
        _ if bytes.is_empty() && known.is_some_and(|known| known.answers_nothing) => Some(json!({})),
        _ => serde_json::from_slice(bytes).ok(),
    }
}

fn request_type(facts: &Facts) -> Result<String> {
    Ok(match facts.protocol.name {
        ProtocolName::Query => "application/x-www-form-urlencoded".to_owned(),
        _ => answer_type(facts)?,
    })
}

/// The content type of every answer.
pub(crate) fn answer_type(facts: &Facts) -> Result<String> {
    Ok(match facts.protocol.name {
        ProtocolName::Json => {
            let version = facts.protocol.json_version.as_deref();
            format!(
                "application/x-amz-json-{}",
                version.context("JSON has a version")?
            )
        }
        ProtocolName::Query => "text/xml".to_owned(),
        ProtocolName::RestJson => "application/json".to_owned(),
    })
}

impl Answer {
    /// The code of an error, without the namespace that some services put before it.
    pub(crate) fn code(&self) -> Option<&str> {
        let name = self.body.as_ref()?.get("__type")?.as_str()?;
        Some(name.rsplit('#').next().unwrap_or(name))
    }
}
