//! `ECR Pull Through Cache Action`: an image was requested from an upstream registry.

use ecru_model::{Digest, RepositoryName, Scope, Timestamp};
use serde_json::{Map, Value, json};

use super::{ECR, Event};
/// The request, its upstream and its repository.
#[derive(Clone, Copy)]
pub struct CacheSync<'a> {
    pub scope: &'a Scope,
    pub repository: &'a RepositoryName,
    pub prefix: &'a str,
    pub upstream_registry_url: &'a str,
    pub tag: Option<&'a str>,
    pub digest: Option<&'a Digest>,
    pub time: Timestamp,
}

pub fn cache_synced(sync: &CacheSync<'_>) -> Event {
    event(sync, detail(sync, "SUCCESS"))
}

pub fn cache_sync_failed(sync: &CacheSync<'_>, code: &str, reason: &str) -> Event {
    let mut detail = detail(sync, "FAILED");
    detail.insert("failure-code".to_owned(), json!(code));
    detail.insert("failure-reason".to_owned(), json!(reason));
    event(sync, detail)
}

fn detail(sync: &CacheSync<'_>, status: &str) -> Map<String, Value> {
    let mut detail = Map::new();
    let mut put = |name: &str, value: &str| detail.insert(name.to_owned(), json!(value));
    put("rule-version", "1");
    put("sync-status", status);
    put("ecr-repository-prefix", sync.prefix);
    put("repository-name", sync.repository.as_str());
    put("upstream-registry-url", sync.upstream_registry_url);
    if let Some(tag) = sync.tag {
        put("image-tag", tag);
    }
    if let Some(digest) = sync.digest {
        put("image-digest", &digest.to_string());
    }
    detail
}

fn event(sync: &CacheSync<'_>, detail: Map<String, Value>) -> Event {
    Event {
        source: ECR,
        detail_type: "ECR Pull Through Cache Action",
        resources: vec![sync.scope.repository_arn(sync.repository)],
        repository: sync.repository.as_str().to_owned(),
        time: sync.time,
        detail: Value::Object(detail),
    }
}
