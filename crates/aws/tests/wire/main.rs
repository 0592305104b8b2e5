//! Tests the wire with small services.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails is a test that fails"
)]

mod operations;
mod query;
mod rest;
#[rustfmt::skip]
#[expect(dead_code, unreachable_pub, reason = "generated for a crate of its own")]
#[path = "."]
mod sts {
    // The generated code of STS, with the operations of these tests.
    #[path = "../../../sts/src/generated/mod.rs"]
    pub(crate) mod generated;
}

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ecru_aws::{ErrorNames, Mounted, Origin, Wire};
use ecru_model::RegistryId;
use ecru_platform::wire::ServiceError;
use ecru_platform::{Clock, Opening, Platform, Random, Sender};
use ecru_store::Options;
use http::{HeaderMap, Request};
use http_body_util::Full;
use sts::generated::shapes::AssumeRoleInput;
use tempfile::TempDir;

/// The context that generated code hands to operations.
#[derive(Clone, Default)]
struct Context {
    /// The inputs of all `AssumeRole` calls so far.
    asked: Arc<Mutex<Vec<AssumeRoleInput>>>,
    sender: Option<Sender>,
}

type Error = ServiceError;

const FORM: &str = "application/x-www-form-urlencoded";

fn signature(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
    )
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn content_type(&self) -> &str {
        self.headers["content-type"].to_str().unwrap()
    }
}

fn wire(services: Vec<Arc<dyn Mounted>>) -> Wire {
    let directory = TempDir::new().unwrap();
    let opening = Opening {
        store: Options {
            directory: directory.path().to_owned(),
            ephemeral: true,
        },
        migrations: Vec::new(),
        clock: Clock::default(),
        random: Random::default(),
        default_account: RegistryId::parse("000000000000").unwrap(),
    };
    let (platform, ()) = Platform::open(opening, |_| Ok(())).unwrap();
    Wire::new(services, platform, ErrorNames::Ecru)
}

async fn ask(wire: &Wire, request: http::request::Builder, body: &str) -> Answer {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    let request: Request<_> = request.body(body).unwrap();
    let origin = Origin {
        https: false,
        authority: "localhost:4566".to_owned(),
        source: Ipv4Addr::LOCALHOST.into(),
    };
    let (parts, body) = wire.handle(request, origin).await.into_parts();
    let id = parts.headers["x-amzn-requestid"].to_str().unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap().replace(id, "ID");
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    }
}
