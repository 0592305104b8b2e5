//! Micro-benchmarks of single parts without a network: values of the model, the store, the evaluation of
//! lifecycle policies, and requests through each wire.

#![expect(
    clippy::unwrap_used,
    reason = "a failure ends the benchmark, as it ends a test"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use divan::Bencher;
use ecru_aws::{ErrorNames, Origin, Wire};
use ecru_model::{Digest, ImageTag, Region, RegistryId, RepositoryName, Scope};
use ecru_platform::paging::Extent;
use ecru_platform::{Clock, Opening, Random};
use ecru_registry::Quotas;
use ecru_registry::{
    Configuration, Ecr, Endpoint, OrganizationId, Pace, Ports, RepositoryUriShape, Scheme, Service, lifecycle,
};
use ecru_store::{Options, Store, StoreError, Value};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ACCOUNT: &str = "000000000000";
const REPOSITORY: &str = "bench/parts";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A signature as long as that of an SDK.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/ecr/aws4_request, \
                         SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
                         Signature=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
const POLICY: &str = r#"{"rules": [
    {"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed",
     "countUnit": "days", "countNumber": 14}, "action": {"type": "expire"}},
    {"rulePriority": 2, "selection": {"tagStatus": "tagged", "tagPrefixList": ["v"],
     "countType": "imageCountMoreThan", "countNumber": 50}, "action": {"type": "expire"}}]}"#;

fn main() {
    divan::main();
}

mod model {
    use super::{Bencher, Digest, ImageTag, RepositoryName, black_box};

    #[divan::bench]
    fn repository_name() -> RepositoryName {
        RepositoryName::parse(black_box("team/project/service-name")).unwrap()
    }

    #[divan::bench]
    fn image_tag() -> ImageTag {
        ImageTag::parse(black_box("v1.20.3-alpine_3")).unwrap()
    }

    #[divan::bench]
    fn digest() -> Digest {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        Digest::parse(black_box(text)).unwrap()
    }

    #[divan::bench]
    fn digest_printed(bencher: Bencher<'_, '_>) {
        let digest = digest();
        bencher.bench(|| black_box(&digest).to_string());
    }
}

mod store {
    use super::{AtomicI64, Bencher, Options, Ordering, Runtime, Store, StoreError, TempDir, Value};

    fn open(ephemeral: bool) -> (TempDir, Store) {
        // The target folder is on a disk; the folder for temporary files may be in memory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = Options {
            directory: directory.path().to_owned(),
            ephemeral,
        };
        let store = Store::open(&options).unwrap();
        (directory, store)
    }

    #[divan::bench(args = [true, false])]
    fn one_row_written(bencher: Bencher<'_, '_>, ephemeral: bool) {
        let runtime = Runtime::new().unwrap();
        let (_directory, store) = open(ephemeral);
        let create = "CREATE TABLE bench (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT";
        let made = store.write(move |tx| tx.execute(create, &[]));
        runtime.block_on(made).unwrap();

        let next = AtomicI64::new(0);
        bencher.bench(|| {
            let id = next.fetch_add(1, Ordering::Relaxed);
            let written = store.write(move |tx| {
                let sql = "INSERT INTO bench (id, text) VALUES (?1, ?2)";
                tx.execute(sql, &[Value::Integer(id), Value::Text("a row of some bytes")])
            });
            runtime.block_on(written).unwrap()
        });
    }

    #[divan::bench]
    fn one_row_read(bencher: Bencher<'_, '_>) {
        let runtime = Runtime::new().unwrap();
        let (_directory, store) = open(true);
        bencher.bench(|| {
            let sql = "SELECT count(*) FROM repositories WHERE id = ?1";
            let found = store.read(|at| at.find(sql, &[Value::Integer(7)], |_| Ok(())));
            let found: Result<_, StoreError> = runtime.block_on(found);
            found.unwrap()
        });
    }
}

/// A service whose one repository holds a given number of images.
struct Registry {
    runtime: Runtime,
    service: Arc<Service>,
    wire: Wire,
    _directory: TempDir,
}

impl Registry {
    fn with_images(count: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            directory: directory.path().to_owned(),
            ephemeral: true,
        };
        let configuration = Configuration {
            dev_users: true,
            public_endpoint: None,
            repository_uri: RepositoryUriShape::Request,
            quotas: Quotas::default(),
            events_kept: Duration::from_hours(1),
            organization_id: OrganizationId::default(),
            pace: Pace::default(),
            uploads_at_once: 16,
        };
        let service = Service::open(
            Opening {
                store: options,
                migrations: Vec::new(),
                clock: Clock::default(),
                random: Random::default(),
                default_account: RegistryId::parse(ACCOUNT).unwrap(),
            },
            configuration,
            Ports::default(),
        )
        .unwrap();
        let ecr = ecru_aws::json(Ecr(Arc::clone(&service)));
        let registry = Self {
            runtime: Runtime::new().unwrap(),
            wire: Wire::new(vec![ecr], Arc::clone(&service.platform), ErrorNames::Ecru),
            service,
            _directory: directory,
        };
        let named = format!(r#"{{"repositoryName": "{REPOSITORY}"}}"#);
        registry.call("CreateRepository", &named);
        let policy = POLICY.replace('\n', " ").replace('"', r#"\""#);
        let policy = format!(r#"{{"repositoryName": "{REPOSITORY}", "lifecyclePolicyText": "{policy}"}}"#);
        registry.call("PutLifecyclePolicy", &policy);
        registry.store_layer();
        for number in 0..count {
            registry.put_image(number);
        }
        registry
    }

    /// Stores one layer, which also serves as the configuration.
    fn store_layer(&self) {
        let path = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={LAYER_DIGEST}");
        assert_eq!(self.ask("POST", &path, b"abc"), StatusCode::CREATED);
    }

    fn put_image(&self, number: u32) {
        let manifest = MANIFEST.replace("NUMBER", &number.to_string());
        let path = format!("/v2/{REPOSITORY}/manifests/v{number}");
        assert_eq!(self.ask("PUT", &path, manifest.as_bytes()), StatusCode::CREATED);
    }

    fn call(&self, operation: &str, input: &str) {
        let answer = self.answer_call(call(operation, input));
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> StatusCode {
        self.answer(ask(method, path, body))
    }

    fn answer_call(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let origin = Origin {
            https: false,
            authority: endpoint().authority,
            source: LOCALHOST,
        };
        let answer = self.wire.handle(request, origin);
        self.runtime.block_on(answer)
    }

    fn answer(&self, request: Request<Full<Bytes>>) -> StatusCode {
        let answer = ecru_oci::handle(&self.service, request, endpoint(), LOCALHOST);
        self.runtime.block_on(answer).status()
    }
}

/// Builds a request of the ECR API.
fn call(operation: &str, input: &str) -> Request<Full<Bytes>> {
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    Request::post("/")
        .header("Content-Type", "application/x-amz-json-1.1")
        .header("X-Amz-Target", target)
        .header("Authorization", SIGNATURE)
        .body(Full::new(Bytes::copy_from_slice(input.as_bytes())))
        .unwrap()
}

/// Builds a request of the OCI protocol.
fn ask(method: &str, path: &str, body: &[u8]) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("Authorization", "Basic dGVzdDp0ZXN0")
        .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        .header("Content-Length", body.len())
        .body(Full::new(Bytes::copy_from_slice(body)))
        .unwrap()
}

fn endpoint() -> Endpoint {
    Endpoint {
        scheme: Scheme::Http,
        authority: "localhost:4566".to_owned(),
    }
}

/// The digest of `abc`.
const LAYER_DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const MANIFEST: &str = r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 3,
    "digest": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 3,
    "digest": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}],
    "annotations": {"number": "NUMBER"}}"#;

mod lifecycle_policy {
    use super::{
        ACCOUNT, Bencher, Extent, REPOSITORY, Region, Registry, RegistryId, RepositoryName, Scope, lifecycle,
    };

    #[divan::bench(args = [100, 1_000], sample_count = 20)]
    fn explained(bencher: Bencher<'_, '_>, images: u32) {
        let registry = Registry::with_images(images);
        let scope = Scope {
            registry_id: RegistryId::parse(ACCOUNT).unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let name = RepositoryName::parse(REPOSITORY).unwrap();
        let extent = Extent { after: 0, limit: 100 };
        bencher.bench(|| {
            let explained = lifecycle::explain(&registry.service, scope.clone(), name.clone(), extent);
            registry.runtime.block_on(explained).unwrap()
        });
    }
}

/// The measured time excludes building the requests and dropping the responses.
mod wires {
    use super::{Bencher, REPOSITORY, Registry, StatusCode, ask, call};

    fn asked(bencher: Bencher<'_, '_>, images: u32, (method, path): (&str, &str), status: StatusCode) {
        let registry = Registry::with_images(images);
        assert_eq!(registry.ask(method, path, b""), status);
        bencher
            .with_inputs(|| ask(method, path, b""))
            .bench_values(|request| registry.answer(request));
    }

    fn called(bencher: Bencher<'_, '_>, images: u32, operation: &str, input: &str) {
        called_at(bencher, &Registry::with_images(images), operation, input);
    }

    fn called_at(bencher: Bencher<'_, '_>, registry: &Registry, operation: &str, input: &str) {
        registry.call(operation, input);
        bencher
            .with_inputs(|| call(operation, input))
            .bench_values(|request| registry.answer_call(request));
    }

    #[divan::bench]
    fn manifest_head(bencher: Bencher<'_, '_>) {
        let path = format!("/v2/{REPOSITORY}/manifests/v7");
        asked(bencher, 100, ("HEAD", &path), StatusCode::OK);
    }

    #[divan::bench]
    fn path_that_leads_nowhere(bencher: Bencher<'_, '_>) {
        let path = "/v2/some/long/name/nothing/here";
        asked(bencher, 1, ("GET", path), StatusCode::NOT_FOUND);
    }

    #[divan::bench]
    fn describe_repositories_of_one(bencher: Bencher<'_, '_>) {
        let input = format!(r#"{{"repositoryNames": ["{REPOSITORY}"]}}"#);
        called(bencher, 1, "DescribeRepositories", &input);
    }

    #[divan::bench]
    fn describe_repositories_page(bencher: Bencher<'_, '_>) {
        let registry = Registry::with_images(1);
        for number in 0..200 {
            let input = format!(r#"{{"repositoryName": "bench/many-{number:04}"}}"#);
            registry.call("CreateRepository", &input);
        }
        called_at(
            bencher,
            &registry,
            "DescribeRepositories",
            r#"{"maxResults": 100}"#,
        );
    }

    #[divan::bench]
    fn batch_get_image(bencher: Bencher<'_, '_>) {
        let input = format!(r#"{{"repositoryName": "{REPOSITORY}", "imageIds": [{{"imageTag": "v7"}}]}}"#);
        called(bencher, 100, "BatchGetImage", &input);
    }

    #[divan::bench]
    fn describe_images_page(bencher: Bencher<'_, '_>) {
        let input = format!(r#"{{"repositoryName": "{REPOSITORY}", "maxResults": 100}}"#);
        called(bencher, 200, "DescribeImages", &input);
    }
}
