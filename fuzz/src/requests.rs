//! Requests of the JSON API to a registry that exists as long as the process.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use ecru_aws::{ErrorNames, Origin, Wire};
use ecru_model::{Operation, RegistryId, TARGET_PREFIX};
use ecru_platform::{Clock, Opening, Random};
use ecru_registry::Quotas;
use ecru_registry::{Configuration, Ecr, OrganizationId, Pace, Ports, RepositoryUriShape, Service};
use ecru_store::Options;
use http::Request;
use http_body_util::Full;
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct Registry {
    runtime: Runtime,
    wire: Wire,
    _directory: TempDir,
}

/// The first byte selects the operation; the rest is the body. Every input must get an answer without an
/// internal error.
pub fn requests(bytes: &[u8]) {
    thread_local! {
        static REGISTRY: Registry = registry();
    }
    let Some((operation, body)) = bytes.split_first() else {
        return;
    };
    let operation = Operation::ALL.iter().cycle().nth(usize::from(*operation));
    let Some(operation) = operation else { return };
    REGISTRY.with(|registry| {
        let status = registry.answer(*operation, body);
        // Unimplemented operations answer 501.
        assert!(status < 500 || status == 501, "{operation}: {status}");
    });
}

impl Registry {
    fn answer(&self, operation: Operation, body: &[u8]) -> u16 {
        let request = Request::post("/")
            .header("x-amz-target", format!("{TARGET_PREFIX}.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("host", "localhost")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(Full::new(Bytes::copy_from_slice(body)));
        let Ok(request) = request else { return 0 };
        let origin = Origin {
            https: false,
            authority: "localhost".to_owned(),
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let answer = self.runtime.block_on(self.wire.handle(request, origin));
        answer.status().as_u16()
    }
}

#[expect(clippy::expect_used, reason = "without a registry there is nothing to fuzz")]
fn registry() -> Registry {
    let directory = TempDir::new().expect("a directory");
    let options = Options {
        directory: directory.path().join("data"),
        ephemeral: true,
    };
    let configuration = Configuration {
        dev_users: true,
        public_endpoint: None,
        repository_uri: RepositoryUriShape::Request,
        quotas: Quotas::default(),
        events_kept: std::time::Duration::from_hours(24),
        organization_id: OrganizationId::default(),
        pace: Pace::Fast,
        uploads_at_once: 16,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let service = Service::open(
        Opening {
            store: options,
            migrations: Vec::new(),
            clock: Clock::default(),
            random: Random::default(),
            default_account: RegistryId::parse("000000000000").expect("an account"),
        },
        configuration,
        Ports::default(),
    );
    let service = service.expect("a service");
    let platform = std::sync::Arc::clone(&service.platform);
    Registry {
        runtime,
        wire: Wire::new(vec![ecru_aws::json(Ecr(service))], platform, ErrorNames::Ecru),
        _directory: directory,
    }
}
