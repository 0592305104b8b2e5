//! The pull-through cache in the JSON API: its rules, and the content that operations on cached repositories
//! fetch.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ecru_model::{Digest, ErrorCode, Region, RegistryId, Scope};
use ecru_registry::Ports;
use ecru_registry::pull_through_cache::{
    Answering, Pieces, Upstream, UpstreamBlob, UpstreamError, UpstreamManifest, Upstreams,
};
use ecru_registry::secrets::{Secret, SecretName, delete_secret, put_secret};
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT, REGION, pretty};
use crate::content::{Image, OCI_INDEX, index};

type Failing = fn() -> UpstreamError;

/// A fake upstream registry, whose content tests insert directly.
#[derive(Default)]
pub(crate) struct Elsewhere {
    /// Keyed by `<name> <tag or digest>`.
    content: Mutex<HashMap<String, Bytes>>,
    /// If set, the error that answers every request.
    trouble: Mutex<Option<Failing>>,
    asked: Mutex<Vec<String>>,
}

impl Elsewhere {
    /// A server that uses this upstream, which the operator allowed as `mirror.example`.
    pub(crate) fn asked_by_a_server() -> (Api, Arc<Self>) {
        let elsewhere = Arc::new(Self::default());
        let upstreams: Arc<dyn Upstreams> = elsewhere.clone();
        let ports = Ports {
            upstreams: Some(upstreams),
            ..Ports::default()
        };
        (Api::with_ports(|_| {}, ports), elsewhere)
    }

    fn put(&self, name: &str, reference: &str, bytes: impl Into<Bytes>) {
        let mut content = self.content.lock().unwrap();
        content.insert(format!("{name} {reference}"), bytes.into());
    }

    pub(crate) fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        for blob in &image.blobs {
            self.put(name, &crate::content::digest(blob), blob.clone());
        }
        self.put(name, tag, image.text());
        self.put(name, &image.digest(), image.text());
        image.digest()
    }

    fn fail(&self, trouble: Option<Failing>) {
        *self.trouble.lock().unwrap() = trouble;
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn find(&self, upstream: &Upstream, name: &str, reference: &str) -> Result<Bytes, UpstreamError> {
        let who = upstream
            .credentials
            .as_ref()
            .map_or("anyone", |credentials| &credentials.username);
        let asked = format!("{who} {} {name} {reference}", upstream.host);
        self.asked.lock().unwrap().push(asked);
        if let Some(trouble) = *self.trouble.lock().unwrap() {
            return Err(trouble());
        }
        let content = self.content.lock().unwrap();
        let found = content.get(&format!("{name} {reference}")).cloned();
        found.ok_or(UpstreamError::NotFound)
    }
}

struct Once(Option<Bytes>);

impl Pieces for Once {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<io::Result<Bytes>>> + Send + '_>> {
        let next = self.0.take().map(Ok);
        Box::pin(async move { next })
    }
}

impl Upstreams for Elsewhere {
    fn admits(&self, host: &str) -> bool {
        host == "mirror.example"
    }

    fn enter<'a>(&'a self, upstream: &'a Upstream) -> Answering<'a, ()> {
        let answer = match self.find(upstream, "", "enter") {
            Err(UpstreamError::NotFound) => Ok(()),
            other => other.map(drop),
        };
        Box::pin(async move { answer })
    }

    fn manifest<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        reference: &'a str,
    ) -> Answering<'a, UpstreamManifest> {
        let answer = self.find(upstream, name, reference);
        Box::pin(async move {
            Ok(UpstreamManifest {
                bytes: answer?,
                media_type: None,
            })
        })
    }

    fn manifest_digest<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        reference: &'a str,
    ) -> Answering<'a, Option<Digest>> {
        let answer = self.find(upstream, name, reference);
        Box::pin(async move { Ok(Some(Digest::of(&answer?))) })
    }

    fn blob_size<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, Option<u64>> {
        let answer = self.find(upstream, name, &digest.to_string());
        Box::pin(async move { Ok(Some(answer?.len() as u64)) })
    }

    fn blob<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, UpstreamBlob> {
        let answer = self.find(upstream, name, &digest.to_string());
        Box::pin(async move {
            let bytes = answer?;
            Ok(UpstreamBlob {
                size_bytes: Some(bytes.len() as u64),
                pieces: Box::new(Once(Some(bytes))),
            })
        })
    }

    fn referrers<'a>(
        &'a self,
        upstream: &'a Upstream,
        name: &'a str,
        digest: &'a Digest,
    ) -> Answering<'a, Bytes> {
        let answer = self.find(upstream, name, &format!("referrers/{digest}"));
        Box::pin(async move { answer })
    }
}

fn rule(prefix: &str, url: &str) -> Value {
    json!({ "ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": url })
}

fn secret_rule(prefix: &str, url: &str, arn: &str) -> Value {
    json!({ "ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": url, "credentialArn": arn })
}

fn prefix(prefix: &str) -> Value {
    json!({ "ecrRepositoryPrefix": prefix })
}

const GOOD: &str = r#"{"username":"me","accessToken":"hunter2"}"#;

async fn secret(api: &Api, name: &str, value: &str, key: Option<&str>) -> String {
    let scope = Scope {
        registry_id: RegistryId::parse(ACCOUNT).unwrap(),
        region: Region::parse(REGION).unwrap(),
    };
    let name = SecretName::In(scope, format!("ecr-pullthroughcache/{name}"));
    let key = key.map(str::to_owned);
    put_secret(api.service(), name, Secret::new(value), key)
        .await
        .unwrap()
}

fn get(repository: &str, id: &Value) -> Value {
    json!({ "repositoryName": repository, "imageIds": [id] })
}

#[tokio::test]
async fn a_rule_is_answered_as_the_service_does() {
    let api = Api::new();
    let made = api
        .ok("CreatePullThroughCacheRule", rule("pub", "public.ecr.aws"))
        .await;
    insta::assert_snapshot!(pretty(&made, &[]), @r#"
    {
      "createdAt": 1767225600.5,
      "ecrRepositoryPrefix": "pub",
      "registryId": "000000000000",
      "upstreamRegistry": "ecr-public",
      "upstreamRegistryUrl": "public.ecr.aws",
      "upstreamRepositoryPrefix": "ROOT"
    }
    "#);
    api.advance(1_000);
    let arn = secret(&api, "pub", GOOD, None).await;
    let change = json!({ "ecrRepositoryPrefix": "pub", "credentialArn": arn });
    let updated = api.ok("UpdatePullThroughCacheRule", change).await;
    insta::assert_snapshot!(pretty(&updated, &["credentialArn"]), @r#"
    {
      "credentialArn": "<credentialArn>",
      "ecrRepositoryPrefix": "pub",
      "registryId": "000000000000",
      "updatedAt": 1767225601.5,
      "upstreamRepositoryPrefix": "ROOT"
    }
    "#);
    let described = api.ok("DescribePullThroughCacheRules", json!({})).await;
    insta::assert_snapshot!(pretty(&described, &["credentialArn"]), @r#"
    {
      "pullThroughCacheRules": [
        {
          "createdAt": 1767225600.5,
          "credentialArn": "<credentialArn>",
          "ecrRepositoryPrefix": "pub",
          "registryId": "000000000000",
          "updatedAt": 1767225601.5,
          "upstreamRegistry": "ecr-public",
          "upstreamRegistryUrl": "public.ecr.aws",
          "upstreamRepositoryPrefix": "ROOT"
        }
      ]
    }
    "#);
    let deleted = api.ok("DeletePullThroughCacheRule", prefix("pub")).await;
    insta::assert_snapshot!(pretty(&deleted, &["credentialArn"]), @r#"
    {
      "createdAt": 1767225600.5,
      "credentialArn": "<credentialArn>",
      "ecrRepositoryPrefix": "pub",
      "registryId": "000000000000",
      "upstreamRegistryUrl": "public.ecr.aws",
      "upstreamRepositoryPrefix": "ROOT"
    }
    "#);
    for elsewhere in [api.by_account(OTHER_ACCOUNT), api.in_region("eu-west-1"), api] {
        let none = elsewhere.ok("DescribePullThroughCacheRules", json!({})).await;
        assert_eq!(none["pullThroughCacheRules"], json!([]));
    }
}

#[tokio::test]
async fn a_prefix_has_one_rule() {
    let api = Api::new();
    api.ok("CreatePullThroughCacheRule", rule("pub", "public.ecr.aws"))
        .await;
    for again in ["pub", "pub/"] {
        let text = format!(
            "The pull through cache rule with prefix '{again}' already exists in the registry with id '{ACCOUNT}'"
        );
        api.call("CreatePullThroughCacheRule", rule(again, "quay.io"))
            .await
            .refuses(ErrorCode::PullThroughCacheRuleAlreadyExistsException, &text);
    }
    api.ok("CreatePullThroughCacheRule", rule("other", "public.ecr.aws"))
        .await;
    api.ok("CreatePullThroughCacheRule", rule("ROOT", "quay.io"))
        .await;
}

#[tokio::test]
async fn a_rule_that_is_not_there_cannot_be_used() {
    let api = Api::new();
    let text = format!(
        "The pull through cache rule with prefix 'hub' does not exist in the registry with id '{ACCOUNT}'"
    );
    for operation in [
        "UpdatePullThroughCacheRule",
        "DeletePullThroughCacheRule",
        "ValidatePullThroughCacheRule",
    ] {
        let answer = api.call(operation, prefix("hub")).await;
        answer.refuses(ErrorCode::PullThroughCacheRuleNotFoundException, &text);
    }
    let named = json!({ "ecrRepositoryPrefixes": ["hub"] });
    api.call("DescribePullThroughCacheRules", named)
        .await
        .refuses(ErrorCode::PullThroughCacheRuleNotFoundException, &text);
}

#[tokio::test]
async fn a_registry_that_the_service_does_not_know_is_refused() {
    let api = Api::new();
    for url in [
        "docker.io",
        "https://quay.io",
        "127.0.0.1:5000",
        "169.254.169.254",
        "",
        "mirror.example",
    ] {
        let text = format!(
            "The upstream registry URL {url} is invalid. Specify a valid upstream registry URL and try again"
        );
        api.call("CreatePullThroughCacheRule", rule("hub", url))
            .await
            .refuses(ErrorCode::UnsupportedUpstreamRegistryException, &text);
    }
    let mut contradicting = rule("hub", "quay.io");
    contradicting["upstreamRegistry"] = json!("k8s");
    api.call("CreatePullThroughCacheRule", contradicting)
        .await
        .refuses_code(ErrorCode::UnsupportedUpstreamRegistryException);
    for url in [
        "registry-1.docker.io",
        "ghcr.io",
        "registry.gitlab.com",
        "cgr.dev",
        "mine.azurecr.io",
    ] {
        let answer = api.call("CreatePullThroughCacheRule", rule("hub", url)).await;
        answer.refuses_code(ErrorCode::UnsupportedUpstreamRegistryException);
        assert!(answer.message().starts_with(
            "The specified upstream registry requires authentication. Specify a valid Secrets Manager ARN"
        ));
    }
    let (api, _) = Elsewhere::asked_by_a_server();
    let made = api
        .ok("CreatePullThroughCacheRule", rule("hub", "mirror.example"))
        .await;
    assert_eq!(made.get("upstreamRegistry"), None);
}

#[tokio::test]
async fn a_secret_must_be_there_and_readable() {
    let api = Api::new();
    api.ok("CreatePullThroughCacheRule", rule("pub", "public.ecr.aws"))
        .await;
    let sealed = secret(&api, "sealed", GOOD, Some("alias/mine")).await;
    let gone = secret(&api, "gone", GOOD, None).await;
    assert!(delete_secret(api.service(), gone.clone()).await.unwrap());
    let foreign = "arn:aws:secretsmanager:us-east-1:111122223333:secret:ecr-pullthroughcache/hub-a1b2c3";
    let elsewhere = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:ecr-pullthroughcache/hub-a1b2c3";
    for (arn, code) in [
        (gone.as_str(), ErrorCode::SecretNotFoundException),
        (sealed.as_str(), ErrorCode::UnableToDecryptSecretValueException),
        (foreign, ErrorCode::UnableToAccessSecretException),
        (elsewhere, ErrorCode::UnableToAccessSecretException),
    ] {
        let new = secret_rule("hub", "registry-1.docker.io", arn);
        api.call("CreatePullThroughCacheRule", new)
            .await
            .refuses_code(code);
        let change = json!({ "ecrRepositoryPrefix": "pub", "credentialArn": arn });
        api.call("UpdatePullThroughCacheRule", change)
            .await
            .refuses_code(code);
    }
    let good = secret(&api, "good", GOOD, None).await;
    api.ok(
        "CreatePullThroughCacheRule",
        secret_rule("hub", "registry-1.docker.io", &good),
    )
    .await;
}

#[tokio::test]
async fn a_registry_has_so_many_rules_and_no_more() {
    let api = Api::new();
    for number in 0..50 {
        api.ok(
            "CreatePullThroughCacheRule",
            rule(&format!("p{number:02}"), "quay.io"),
        )
        .await;
    }
    let text = "The registry with id '000000000000' already has the maximum allowed number of pull through cache \
                rules which is '50'";
    api.call("CreatePullThroughCacheRule", rule("more", "quay.io"))
        .await
        .refuses(ErrorCode::LimitExceededException, text);

    let (mut found, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut input = json!({ "maxResults": 20 });
        if !token.is_null() {
            input["nextToken"] = token;
        }
        let page = api.ok("DescribePullThroughCacheRules", input).await;
        let rules = page["pullThroughCacheRules"].as_array().unwrap();
        found.extend(rules.iter().map(|rule| rule["ecrRepositoryPrefix"].clone()));
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    let expected = (0..50).map(|number| format!("p{number:02}")).collect::<Vec<_>>();
    assert_eq!(Value::from(found), json!(expected));
}

#[tokio::test]
async fn a_private_registry_of_another_account_needs_a_role() {
    let api = Api::new();
    let url = format!("{OTHER_ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com");
    api.call("CreatePullThroughCacheRule", rule("priv", &url))
        .await
        .refuses_code(ErrorCode::ValidationException);
    let mut with_role = rule("priv", &url);
    with_role["customRoleArn"] = json!("arn:aws:iam::000000000000:role/puller");
    api.ok("CreatePullThroughCacheRule", with_role).await;
    let own = format!("{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com");
    api.ok("CreatePullThroughCacheRule", rule("own", &own)).await;

    let mut rooted = rule("ROOT", "quay.io");
    rooted["upstreamRepositoryPrefix"] = json!("team");
    api.call("CreatePullThroughCacheRule", rooted)
        .await
        .refuses_code(ErrorCode::ValidationException);
}

#[tokio::test]
async fn names_of_rules_exclude_pages() {
    let api = Api::new();
    let both = json!({ "ecrRepositoryPrefixes": ["hub"], "maxResults": 1 });
    let answer = api.call("DescribePullThroughCacheRules", both).await;
    answer.refuses_parameter(
        "maxResults",
        "must not be set together with ecrRepositoryPrefixes",
    );
    let foreign = json!({ "nextToken": "AQ" });
    api.call("DescribePullThroughCacheRules", foreign)
        .await
        .refuses_code(ErrorCode::InvalidContinuationTokenException);
}

#[tokio::test]
async fn prefixes_are_what_the_model_says() {
    let api = Api::new();
    for bad in ["", "x", "UPPER", "a//b", "/ab", &"a".repeat(31)] {
        api.call("CreatePullThroughCacheRule", rule(bad, "quay.io"))
            .await
            .refuses_code(ErrorCode::InvalidParameterException);
        for operation in [
            "UpdatePullThroughCacheRule",
            "DeletePullThroughCacheRule",
            "ValidatePullThroughCacheRule",
        ] {
            let answer = api.call(operation, prefix(bad)).await;
            answer.refuses_code(ErrorCode::InvalidParameterException);
        }
    }
}

#[tokio::test]
async fn validation_asks_the_upstream() {
    let (api, elsewhere) = Elsewhere::asked_by_a_server();
    let good = secret(&api, "good", GOOD, None).await;
    let bad = secret(&api, "bad", "hunter2", None).await;
    api.ok(
        "CreatePullThroughCacheRule",
        secret_rule("good", "ghcr.io", &good),
    )
    .await;
    api.ok("CreatePullThroughCacheRule", secret_rule("bad", "ghcr.io", &bad))
        .await;
    api.ok("CreatePullThroughCacheRule", rule("open", "quay.io"))
        .await;

    let validated = api.ok("ValidatePullThroughCacheRule", prefix("good")).await;
    assert_eq!(validated["isValid"], true);
    assert_eq!(validated.get("failure"), None);
    assert_eq!(elsewhere.asked(), ["me ghcr.io  enter"]);

    let validated = api.ok("ValidatePullThroughCacheRule", prefix("bad")).await;
    assert_eq!(validated["isValid"], false);
    assert!(!validated.to_string().contains("hunter2"), "{validated}");
    assert_eq!(elsewhere.asked(), [""; 0]);

    elsewhere.fail(Some(|| UpstreamError::Denied));
    let validated = api.ok("ValidatePullThroughCacheRule", prefix("good")).await;
    assert_eq!(validated["isValid"], false);
    assert!(
        validated["failure"]
            .as_str()
            .unwrap()
            .starts_with("The authentication to the upstream registry failed.")
    );
    let validated = api.ok("ValidatePullThroughCacheRule", prefix("open")).await;
    assert_eq!(validated["isValid"], true);
    elsewhere.fail(Some(|| UpstreamError::Failed(502)));
    let validated = api.ok("ValidatePullThroughCacheRule", prefix("open")).await;
    assert_eq!(validated["isValid"], false);
}

async fn cached() -> (Api, Arc<Elsewhere>) {
    let (api, elsewhere) = Elsewhere::asked_by_a_server();
    api.ok("CreatePullThroughCacheRule", rule("hub", "mirror.example"))
        .await;
    (api, elsewhere)
}

#[tokio::test]
async fn an_image_is_answered_at_once_and_stored_with_all_it_names() {
    let (api, elsewhere) = cached().await;
    let images = [Image::new(1), Image::new(2)];
    for (number, image) in images.iter().enumerate() {
        elsewhere.push("library/app", &format!("child{number}"), image);
    }
    let list = index(&[&images[0], &images[1]]).to_string();
    let digest = crate::content::digest(&list);
    elsewhere.put("library/app", "1.0", list.clone());
    elsewhere.put("library/app", &digest, list.clone());

    let got = api
        .ok(
            "BatchGetImage",
            get("hub/library/app", &json!({ "imageTag": "1.0" })),
        )
        .await;
    assert_eq!(got["images"][0]["imageManifest"], list.as_str());
    assert_eq!(got["images"][0]["imageId"]["imageDigest"], digest.as_str());
    assert_eq!(got["images"][0]["imageManifestMediaType"], OCI_INDEX);
    // An image counts as stored only if all its parts are available.
    assert_eq!(api.count("SELECT count(*) FROM images"), 0);

    api.run_due().await;
    assert_eq!(api.count("SELECT count(*) FROM images"), 3);
    assert_eq!(api.tags("hub/library/app").await.len(), 1);
    let events = api.texts("SELECT detail FROM outbox ORDER BY sequence");
    let [event] = events.as_slice() else {
        panic!("{events:?}")
    };
    let event = serde_json::from_str::<Value>(event).unwrap();
    let expected = json!({
        "rule-version": "1",
        "sync-status": "SUCCESS",
        "ecr-repository-prefix": "hub",
        "repository-name": "hub/library/app",
        "upstream-registry-url": "mirror.example",
        "image-tag": "1.0",
        "image-digest": digest,
    });
    assert_eq!(event, expected);

    elsewhere.asked();
    elsewhere.fail(Some(|| UpstreamError::Failed(500)));
    let again = api
        .ok(
            "BatchGetImage",
            get("hub/library/app", &json!({ "imageTag": "1.0" })),
        )
        .await;
    assert_eq!(again["images"][0]["imageManifest"], list.as_str());
    let by_digest = get("hub/library/app", &json!({ "imageDigest": images[1].digest() }));
    assert_eq!(api.ok("BatchGetImage", by_digest).await["failures"], json!([]));
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[tokio::test]
async fn a_manifest_of_another_digest_is_not_taken() {
    let (api, elsewhere) = cached().await;
    let image = Image::new(1);
    elsewhere.put("app", &image.digest(), Image::new(2).text());
    api.call(
        "BatchGetImage",
        get("hub/app", &json!({ "imageDigest": image.digest() })),
    )
    .await
    .refuses_code(ErrorCode::UnableToGetUpstreamImageException);
    assert_eq!(api.count("SELECT count(*) FROM repositories"), 0);
}

#[tokio::test]
async fn an_image_whose_layer_is_another_is_never_stored() {
    let (api, elsewhere) = cached().await;
    let image = Image::new(1);
    elsewhere.push("app", "v1", &image);
    elsewhere.put("app", &image.layer_digest(), "something else of 24");
    api.ok("BatchGetImage", get("hub/app", &json!({ "imageTag": "v1" })))
        .await;
    api.run_due().await;
    assert_eq!(api.count("SELECT count(*) FROM images"), 0);
    assert_eq!(api.count("SELECT count(*) FROM blobs"), 1);
    assert_eq!(
        api.texts("SELECT last_error FROM jobs WHERE kind = 'cache-import'"),
        ["the upstream registry sent what cannot be used: a layer of another digest"]
    );
}

#[tokio::test]
async fn trouble_upstream_is_a_failure_of_its_image() {
    let (api, elsewhere) = cached().await;
    elsewhere.push("app", "v1", &Image::new(1));
    api.ok("BatchGetImage", get("hub/app", &json!({ "imageTag": "v1" })))
        .await;
    let cases: [(Failing, &str); 4] = [
        (|| UpstreamError::Denied, "UpstreamAccessDenied"),
        (|| UpstreamError::TooManyRequests, "UpstreamTooManyRequests"),
        (|| UpstreamError::Failed(503), "UpstreamUnavailable"),
        (|| UpstreamError::NotFound, "ImageNotFound"),
    ];
    for (trouble, code) in cases {
        elsewhere.fail(Some(trouble));
        let got = api
            .ok("BatchGetImage", get("hub/app", &json!({ "imageTag": "v2" })))
            .await;
        assert_eq!(got["failures"][0]["failureCode"], code);
    }
    let failed = api.count("SELECT count(*) FROM outbox WHERE detail LIKE '%FAILED%'");
    assert_eq!(failed, 3);
}

#[tokio::test]
async fn trouble_with_the_secret_fails_the_call() {
    let (api, _) = Elsewhere::asked_by_a_server();
    let arn = secret(&api, "hub", GOOD, None).await;
    api.ok("CreatePullThroughCacheRule", secret_rule("hub", "ghcr.io", &arn))
        .await;
    api.create("hub/app").await;
    assert!(delete_secret(api.service(), arn).await.unwrap());

    let image = Image::new(1);
    api.call("BatchGetImage", get("hub/app", &json!({ "imageTag": "v1" })))
        .await
        .refuses_code(ErrorCode::UnableToGetUpstreamImageException);
    let layer = json!({ "repositoryName": "hub/app", "layerDigest": image.layer_digest() });
    api.call("GetDownloadUrlForLayer", layer)
        .await
        .refuses_code(ErrorCode::UnableToGetUpstreamLayerException);
    let referrers = json!({ "repositoryName": "hub/app", "subjectId": { "imageDigest": image.digest() } });
    api.call("ListImageReferrers", referrers)
        .await
        .refuses_code(ErrorCode::UnableToListUpstreamImageReferrersException);
}

#[tokio::test]
async fn a_layer_that_is_upstream_has_an_address() {
    let (api, elsewhere) = cached().await;
    let image = Image::new(1);
    elsewhere.push("app", "v1", &image);
    api.ok("BatchGetImage", get("hub/app", &json!({ "imageTag": "v1" })))
        .await;
    let layer = |digest: String| json!({ "repositoryName": "hub/app", "layerDigest": digest });
    let address = api
        .ok("GetDownloadUrlForLayer", layer(image.layer_digest()))
        .await;
    let address = address["downloadUrl"].as_str().unwrap();
    assert!(address.contains("/v2/hub/app/blobs/"), "{address}");
    api.call("GetDownloadUrlForLayer", layer(Image::new(9).layer_digest()))
        .await
        .refuses_code(ErrorCode::LayersNotFoundException);
}

#[tokio::test]
async fn what_refers_to_an_image_upstream_is_listed_and_brought() {
    let (api, elsewhere) = cached().await;
    let image = Image::new(1);
    elsewhere.push("app", "v1", &image);
    let signature = Image::new(2)
        .with("artifactType", json!("text/signature"))
        .with("subject", image.descriptor());
    elsewhere.push("app", "sig", &signature);
    let mut descriptor = signature.descriptor();
    descriptor["artifactType"] = json!("text/signature");
    let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor] });
    elsewhere.put("app", &format!("referrers/{}", image.digest()), list.to_string());
    api.ok("BatchGetImage", get("hub/app", &json!({ "imageTag": "v1" })))
        .await;
    api.run_due().await;

    let asked = json!({ "repositoryName": "hub/app", "subjectId": { "imageDigest": image.digest() } });
    for _ in 0..2 {
        let listed = api.ok("ListImageReferrers", asked.clone()).await;
        let referrers = listed["referrers"].as_array().unwrap();
        assert_eq!(referrers.len(), 1, "{listed}");
        assert_eq!(referrers[0]["digest"], signature.digest());
        assert_eq!(referrers[0]["artifactType"], "text/signature");
        api.run_due().await;
    }
    assert_eq!(api.count("SELECT count(*) FROM images"), 2);
}

#[tokio::test]
async fn another_registry_of_this_server_is_cached_as_its_policy_allows() {
    let api = Api::new();
    let image = Image::new(1);
    let source = api.by_account(OTHER_ACCOUNT).in_region("eu-west-1");
    source.create("team/app").await;
    source.push("team/app", Some("v1"), &image).await;
    let role = "arn:aws:iam::000000000000:role/puller";
    let mut new = rule(
        "priv",
        &format!("{OTHER_ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"),
    );
    new["customRoleArn"] = json!(role);
    api.ok("CreatePullThroughCacheRule", new).await;

    api.call(
        "BatchGetImage",
        get("priv/team/app", &json!({ "imageTag": "v1" })),
    )
    .await
    .refuses_code(ErrorCode::UnableToGetUpstreamImageException);
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": role },
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }] });
    let policy = json!({ "repositoryName": "team/app", "policyText": policy.to_string() });
    source.ok("SetRepositoryPolicy", policy).await;
    let got = api
        .ok(
            "BatchGetImage",
            get("priv/team/app", &json!({ "imageTag": "v1" })),
        )
        .await;
    assert_eq!(got["images"][0]["imageManifest"], image.text());
    api.run_due().await;
    assert_eq!(api.tags("priv/team/app").await.len(), 1);
}

#[tokio::test]
async fn the_repository_is_made_by_its_template() {
    let (api, elsewhere) = cached().await;
    elsewhere.push("app", "v1", &Image::new(1));
    let template = json!({
        "prefix": "hub", "appliedFor": ["PULL_THROUGH_CACHE"], "imageTagMutability": "IMMUTABLE",
    });
    api.ok("CreateRepositoryCreationTemplate", template).await;
    api.ok("BatchGetImage", get("hub/app", &json!({ "imageTag": "v1" })))
        .await;
    let described = api
        .ok("DescribeRepositories", json!({ "repositoryNames": ["hub/app"] }))
        .await;
    assert_eq!(described["repositories"][0]["imageTagMutability"], "IMMUTABLE");
}

#[tokio::test]
async fn who_may_not_import_is_answered_by_what_is_here() {
    let (api, elsewhere) = cached().await;
    elsewhere.push("app", "v1", &Image::new(1));
    for action in ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"] {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*",
        }] });
        api.ok("PutRegistryPolicy", json!({ "policyText": policy.to_string() }))
            .await;
        api.call("BatchGetImage", get("hub/app", &json!({ "imageTag": "v1" })))
            .await
            .refuses_code(ErrorCode::RepositoryNotFoundException);
    }
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[tokio::test]
async fn rules_and_what_they_cached_are_there_after_a_restart_and_go_with_a_reset() {
    let (api, elsewhere) = cached().await;
    elsewhere.push("app", "v1", &Image::new(1));
    secret(&api, "hub", GOOD, None).await;
    api.ok("BatchGetImage", get("hub/app", &json!({ "imageTag": "v1" })))
        .await;
    let api = api.restarted().await;
    api.run_due().await;
    assert_eq!(api.tags("hub/app").await.len(), 1);

    api.reset(None).await;
    for table in [
        "SELECT count(*) FROM pull_through_cache_rules",
        "SELECT count(*) FROM secrets",
    ] {
        assert_eq!(api.count(table), 0, "{table}");
    }
    api.run_due().await;
    assert_eq!(api.count("SELECT count(*) FROM cached_tags"), 0);
}

#[tokio::test]
async fn a_rule_acts_as_a_role_of_its_own_account_only() {
    let api = Api::new();
    let url = format!("{OTHER_ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com");
    let sentence = "The custom role must be a role of the account and partition of the registry";
    let template = json!({ "prefix": "priv", "appliedFor": ["CREATE_ON_PUSH"] });
    let own = "arn:aws:iam::000000000000:role/team/puller";
    let with = |mut input: Value, role: &str| {
        input["customRoleArn"] = json!(role);
        input
    };
    for role in [
        "",
        "lambda.amazonaws.com",
        "*",
        OTHER_ACCOUNT,
        "arn:aws:iam::111122223333:role/puller",
        "arn:aws-cn:iam::000000000000:role/puller",
        "arn:aws:iam::000000000000:root",
        "arn:aws:iam::000000000000:user/puller",
        "arn:aws:iam::000000000000:role/*",
        "arn:aws:sts::000000000000:assumed-role/puller/session",
    ] {
        for (operation, input) in [
            ("CreatePullThroughCacheRule", rule("priv", &url)),
            ("CreateRepositoryCreationTemplate", template.clone()),
        ] {
            let refused = api.call(operation, with(input, role)).await;
            refused.refuses_parameter("customRoleArn", sentence);
        }
    }
    api.ok("CreatePullThroughCacheRule", with(rule("priv", &url), own))
        .await;
    api.ok("CreateRepositoryCreationTemplate", with(template, own))
        .await;
    for (operation, input) in [
        (
            "UpdatePullThroughCacheRule",
            json!({ "ecrRepositoryPrefix": "priv" }),
        ),
        ("UpdateRepositoryCreationTemplate", json!({ "prefix": "priv" })),
    ] {
        let foreign = api
            .call(operation, with(input, "arn:aws:iam::111122223333:role/puller"))
            .await;
        foreign.refuses_parameter("customRoleArn", sentence);
    }
}

#[tokio::test]
async fn a_rule_that_was_stored_with_a_foreign_role_acts_as_nobody() {
    let api = Api::new();
    let source = api.by_account(OTHER_ACCOUNT).in_region("eu-west-1");
    source.create("team/app").await;
    source.push("team/app", Some("v1"), &Image::new(1)).await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "ecr:*",
        "Principal": { "AWS": OTHER_ACCOUNT, "Service": "lambda.amazonaws.com" },
    }] });
    let policy = json!({ "repositoryName": "team/app", "policyText": policy.to_string() });
    source.ok("SetRepositoryPolicy", policy).await;
    let mut new = rule(
        "priv",
        &format!("{OTHER_ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"),
    );
    new["customRoleArn"] = json!("arn:aws:iam::000000000000:role/puller");
    api.ok("CreatePullThroughCacheRule", new).await;

    let image = || get("priv/team/app", &json!({ "imageTag": "v1" }));
    for update in [
        "UPDATE pull_through_cache_rules SET custom_role_arn = 'lambda.amazonaws.com'",
        "UPDATE pull_through_cache_rules SET custom_role_arn = 'arn:aws:iam::111122223333:root'",
        "UPDATE pull_through_cache_rules SET custom_role_arn = 'arn:aws:iam::111122223333:role/puller'",
    ] {
        api.execute(update).await;
        let refused = api.call("BatchGetImage", image()).await;
        refused.refuses_code(ErrorCode::UnableToGetUpstreamImageException);
        // The rule can still be read, and its validation reports the problem.
        let prefix = json!({ "ecrRepositoryPrefix": "priv" });
        let validated = api.ok("ValidatePullThroughCacheRule", prefix).await;
        assert_eq!(validated["isValid"], false, "{validated}");
    }
    let prefix = json!({ "ecrRepositoryPrefix": "priv" });
    let deleted = api.ok("DeletePullThroughCacheRule", prefix).await;
    assert_eq!(deleted["customRoleArn"], "arn:aws:iam::111122223333:role/puller");
}
