//! A registry for each test, the calls of a client, and the answers.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use ecru_aws::{ErrorNames, Origin, Wire};
use ecru_kms::MasterKeySource;
use ecru_model::{ErrorCode, Region, RegistryId, TARGET_PREFIX, Timestamp};
use ecru_platform::jobs::Ran;
use ecru_platform::paging::Extent;
use ecru_platform::{Clock, Opening, Page, Random, ServiceError, Signed};
use ecru_registry::Quotas;
use ecru_registry::events::{Envelope, EventFilter, list_events};
use ecru_registry::{
    Configuration, Context, Endpoint, OrganizationId, Pace, Ports, RepositoryUriShape, Scheme, Service,
};
use ecru_server::Services;
use ecru_store::{Options, Snapshot, StoreError};
use http::{HeaderMap, Request};
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;

/// The account of access keys that are not an account ID.
pub(crate) const ACCOUNT: &str = "000000000000";
pub(crate) const OTHER_ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-east-1";
/// The frozen time of each registry at its start: 2026-01-01 00:00:00.5.
pub(crate) const NOW_MILLISECONDS: i64 = 1_767_225_600_500;

/// A caller of a registry.
#[derive(Clone)]
pub(crate) struct Api {
    registry: Arc<Registry>,
    access_key: String,
    region: String,
    error_names: ErrorNames,
}

fn open(directory: PathBuf, clock: Clock, configuration: Configuration, ports: Ports) -> Services {
    let opening = Opening {
        store: Options {
            directory: directory.clone(),
            ephemeral: true,
        },
        migrations: Vec::new(),
        clock,
        random: Random::default(),
        default_account: RegistryId::parse(ACCOUNT).unwrap(),
    };
    Services::open(
        opening,
        configuration,
        ports,
        MasterKeySource::Directory(directory),
    )
    .unwrap()
}

struct Registry {
    services: Services,
    directory: Arc<TempDir>,
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Configuration)) -> Self {
        Self::with_ports(change, Ports::default())
    }

    pub(crate) fn with_ports(change: impl FnOnce(&mut Configuration), ports: Ports) -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Clock::default();
        clock.freeze(Timestamp::from_millis(NOW_MILLISECONDS));
        let mut configuration = Configuration {
            dev_users: true,
            public_endpoint: None,
            repository_uri: RepositoryUriShape::Request,
            quotas: Quotas::default(),
            events_kept: std::time::Duration::from_hours(7 * 24),
            organization_id: OrganizationId::default(),
            pace: Pace::Fast,
            uploads_at_once: 16,
        };
        change(&mut configuration);
        let services = open(directory.path().join("data"), clock, configuration, ports);
        Self {
            registry: Arc::new(Registry {
                services,
                directory: Arc::new(directory),
            }),
            access_key: "AKIDEXAMPLE".to_owned(),
            region: REGION.to_owned(),
            error_names: ErrorNames::Ecru,
        }
    }

    /// The same registry, for a caller of another account.
    pub(crate) fn by_account(&self, account: &str) -> Self {
        self.by_key(account)
    }

    /// The same registry, for another access key.
    pub(crate) fn by_key(&self, access_key: &str) -> Self {
        Self {
            access_key: access_key.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn advance(&self, milliseconds: i64) {
        self.service().clock.advance(milliseconds);
    }

    pub(crate) async fn run_due(&self) -> Vec<Ran> {
        self.try_run_due().await.unwrap()
    }

    /// Runs what is due on a store that may be closed meanwhile.
    pub(crate) async fn try_run_due(&self) -> Result<Vec<Ran>, ServiceError> {
        let runner = &self.registry.services.runner;
        ecru_registry::work::run_due(self.service(), runner).await
    }

    /// Resets one account, or all accounts.
    pub(crate) async fn reset(&self, account: Option<RegistryId>) {
        assert!(self.registry.services.control.reset(None, account).await.unwrap());
    }

    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// The same registry, with the model's error codes instead of ecru's own.
    pub(crate) fn with_aws_names(&self) -> Self {
        Self {
            error_names: ErrorNames::Aws,
            ..self.clone()
        }
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.registry.services.ecr
    }

    /// The same data, after a restart of the server.
    pub(crate) async fn restarted(&self) -> Self {
        let before = self.service();
        before.store.close().await;
        let (clock, configuration) = (before.clock.clone(), before.configuration.clone());
        let ports = before.ports.clone();
        let services = open(self.data(), clock, configuration, ports);
        Self {
            registry: Arc::new(Registry {
                services,
                directory: Arc::clone(&self.registry.directory),
            }),
            ..self.clone()
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.registry.directory.path().join("data")
    }

    /// The same caller, for the OCI API.
    pub(crate) fn context(&self) -> Context {
        let region = Region::parse(self.region.as_str()).unwrap();
        let signed = Signed {
            access_key_id: self.access_key.clone(),
            region,
        };
        let sender = self.service().identify(signed).at_once().unwrap();
        Context::signed(self.service(), sender, endpoint())
    }

    /// Changes the database directly, for a state that would need too many requests.
    pub(crate) async fn execute(&self, sql: &'static str) {
        let changed = self.service().store.write(move |tx| tx.execute(sql, &[])).await;
        changed.unwrap_or_else(|error: StoreError| panic!("{sql}: {error}"));
    }

    pub(crate) fn count(&self, sql: &'static str) -> i64 {
        let found = self
            .service()
            .store
            .read(|at| at.find(sql, &[], |row| row.integer(0)))
            .at_once();
        found
            .unwrap_or_else(|error: StoreError| panic!("{sql}: {error}"))
            .unwrap()
    }

    /// All rows of a statement that returns one text column.
    pub(crate) fn texts(&self, sql: &'static str) -> Vec<String> {
        let found = self
            .service()
            .store
            .read(|at| at.query(sql, &[], |row| Ok(row.text(0)?.to_owned())))
            .at_once();
        found.unwrap_or_else(|error: StoreError| panic!("{sql}: {error}"))
    }

    pub(crate) fn text(&self, sql: &'static str) -> Option<String> {
        let text = |at: &Snapshot<'_>| at.find(sql, &[], |row| Ok(row.optional_text(0)?.map(str::to_owned)));
        let found = self.service().store.read(text);
        found
            .at_once()
            .unwrap_or_else(|error: StoreError| panic!("{sql}: {error}"))
            .flatten()
    }

    /// A page of events, as a shorthand for tests.
    pub(crate) fn list_events(&self, filter: EventFilter, extent: Extent) -> Page<Envelope, i64> {
        let list = list_events(self.service(), filter, extent);
        let wait = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(list).unwrap()
        };
        std::thread::scope(|scope| scope.spawn(wait).join().unwrap())
    }

    fn wire(&self) -> Wire {
        self.registry.services.aws(self.error_names)
    }

    pub(crate) async fn call(&self, operation: &str, input: Value) -> Answer {
        self.send(operation, input.to_string()).await
    }

    /// Calls an operation that must succeed.
    pub(crate) async fn ok(&self, operation: &str, input: Value) -> Value {
        let answer = self.call(operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        answer.body
    }

    /// Sends a form to a service of the query protocol. Returns the status and the XML. The request is signed only if
    /// `signing_name` is given.
    pub(crate) async fn form(&self, signing_name: Option<&str>, fields: &[(&str, &str)]) -> (u16, String) {
        let pairs = fields
            .iter()
            .map(|(key, value)| format!("{key}={}", encoded(value)));
        let mut request =
            Request::post("/").header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
        if let Some(name) = signing_name {
            request = request.header("Authorization", self.authorization(name));
        }
        let body = pairs.collect::<Vec<_>>().join("&");
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let (parts, body) = self.wire().handle(request, origin()).await.into_parts();
        (parts.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    }

    /// Sends a request to KMS. An answer without members is null.
    pub(crate) async fn kms(&self, operation: &str, input: Value) -> (u16, Value) {
        let request = Request::post("/")
            .header("X-Amz-Target", format!("TrentService.{operation}"))
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("Authorization", self.authorization("kms"))
            .body(Full::new(Bytes::from(input.to_string())))
            .unwrap();
        let (parts, body) = self.wire().handle(request, origin()).await.into_parts();
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).expect("an answer is JSON")
        };
        (parts.status.as_u16(), body)
    }

    fn authorization(&self, signing_name: &str) -> String {
        let (key, region) = (&self.access_key, &self.region);
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{signing_name}/aws4_request, SignedHeaders=host, \
             Signature=00"
        )
    }

    /// Sends the given body unchanged.
    pub(crate) async fn send(&self, operation: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::post("/")
            .header("X-Amz-Target", format!("{TARGET_PREFIX}.{operation}"))
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("Authorization", self.authorization("ecr"))
            .body(Full::new(body.into()))
            .unwrap();
        let response = self.wire().handle(request, origin()).await;
        let (parts, body) = response.into_parts();
        let answer = Answer {
            operation: operation.to_owned(),
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).expect("an answer is JSON"),
        };
        answer.check_shape();
        note(&answer);
        answer
    }
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint {
        scheme: Scheme::Http,
        authority: "localhost:4566".to_owned(),
    }
}

fn origin() -> Origin {
    let Endpoint { scheme, authority } = endpoint();
    Origin {
        https: scheme == Scheme::Https,
        authority,
        source: std::net::Ipv4Addr::LOCALHOST.into(),
    }
}

/// Percent-encoded for a form.
fn encoded(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| {
        if unreserved(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

pub(crate) struct Answer {
    operation: String,
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn error(&self) -> Option<&str> {
        self.body["__type"].as_str().filter(|_| self.status != 200)
    }

    #[track_caller]
    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().expect("a message")
    }

    /// Checks that the answer is this error with exactly this message.
    #[track_caller]
    pub(crate) fn refuses(&self, code: ErrorCode, message: &str) -> &Self {
        assert_eq!(
            self.error(),
            Some(code.name()),
            "{}: {}",
            self.operation,
            self.body
        );
        assert_eq!(self.message(), message, "{}", self.operation);
        self
    }

    /// Checks that the answer is this error with any message.
    #[track_caller]
    pub(crate) fn refuses_code(&self, code: ErrorCode) -> &Self {
        assert_eq!(
            self.error(),
            Some(code.name()),
            "{}: {}",
            self.operation,
            self.body
        );
        self
    }

    /// Checks that the answer is ECR's error for an input that breaks a constraint.
    #[track_caller]
    pub(crate) fn refuses_parameter(&self, member: &str, reason: &str) -> &Self {
        let message = format!("Invalid parameter at '{member}' failed to satisfy constraint: '{reason}'");
        self.refuses(ErrorCode::InvalidParameterException, &message)
    }

    /// Checks the properties that all answers of the protocol share.
    #[track_caller]
    fn check_shape(&self) {
        let header = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("content-type"), Some("application/x-amz-json-1.1"));
        let request_id = header("x-amzn-requestid").expect("a request id");
        assert!(uuid::Uuid::parse_str(request_id).is_ok(), "{request_id}");
        assert!(self.body.is_object(), "{}", self.body);
        assert!(
            !has_null(&self.body),
            "an absent value is left out: {}",
            self.body
        );
        if self.status == 200 {
            return;
        }
        let code = ErrorCode::ALL
            .iter()
            .find(|code| Some(code.name()) == self.error());
        let code = code.unwrap_or_else(|| panic!("{} is no error code", self.body));
        assert_eq!(self.status, code.http_status(), "{}", self.body);
        assert_eq!(header("x-amzn-errortype"), Some(code.name()));
        assert!(!self.message().is_empty());
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// Runs all futures concurrently on this thread.
pub(crate) async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures = futures
        .map(Box::pin)
        .map(|future| (future, None))
        .collect::<Vec<_>>();
    std::future::poll_fn(|context| {
        for (future, output) in &mut futures {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if futures.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

/// The whole answer for a snapshot. The given members, which differ from run to run, are replaced.
pub(crate) fn pretty(body: &Value, varying: &[&str]) -> String {
    let mut body = body.clone();
    hide(&mut body, varying);
    serde_json::to_string_pretty(&body).unwrap()
}

fn hide(value: &mut Value, varying: &[&str]) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| hide(element, varying)),
        Value::Object(members) => {
            for (name, member) in members {
                if varying.contains(&name.as_str()) {
                    *member = Value::from(format!("<{name}>"));
                } else {
                    hide(member, varying);
                }
            }
        }
        _ => {}
    }
}

/// The variable with the file that tests append their answers to. `coverage` sets it when it runs the tests
/// again.
pub(crate) const SEEN_TO: &str = "ECRU_TESTS_SEEN_TO";

#[expect(
    clippy::disallowed_methods,
    reason = "the tests run again in another process, which is told so by its environment"
)]
static SEEN: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| {
    let path = std::env::var_os(SEEN_TO)?;
    let file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    Some(Mutex::new(file))
});

/// Records the answer under the test's name, which is the name of its thread.
fn note(answer: &Answer) {
    let Some(seen) = SEEN.as_ref() else { return };
    let thread = std::thread::current();
    let Some(test) = thread.name().filter(|name| name.contains("::")) else {
        return;
    };
    let what = if answer.status == 200 {
        "success"
    } else {
        answer.error().unwrap()
    };
    let line = format!("{} {what} {test}\n", answer.operation);
    seen.lock().unwrap().write_all(line.as_bytes()).unwrap();
}

/// A future that needs no waiting, as those of reads are on a database in a file.
pub(crate) trait AtOnce: Future + Sized {
    fn at_once(self) -> Self::Output {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(self).poll(&mut context) {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("it has to wait"),
        }
    }
}

impl<F: Future> AtOnce for F {}
