//! `ECR Replication Action`: an image arrived, or failed to arrive, in the registry that it is replicated to.

use ecru_model::{Digest, RepositoryName, Scope, Timestamp};
use serde_json::{Value, json};

use super::{ECR, Event};
/// An event for the registry of the destination.
#[derive(Clone, Copy)]
pub struct Replicated<'a> {
    pub scope: &'a Scope,
    pub repository: &'a RepositoryName,
    pub source: &'a Scope,
    pub digest: &'a Digest,
    pub tag: Option<&'a str>,
    pub time: Timestamp,
}

pub fn replicated(of: &Replicated<'_>) -> Event {
    event(of, "SUCCESS")
}

pub fn replication_failed(of: &Replicated<'_>) -> Event {
    event(of, "FAILED")
}

fn event(of: &Replicated<'_>, result: &str) -> Event {
    let mut detail = json!({
        "result": result,
        "repository-name": of.repository.as_str(),
        "image-digest": of.digest.to_string(),
        "source-account": of.source.registry_id.as_str(),
        "action-type": "REPLICATE",
        "source-region": of.source.region.as_str(),
    });
    if let (Some(tag), Value::Object(members)) = (of.tag, &mut detail) {
        members.insert("image-tag".to_owned(), json!(tag));
    }
    Event {
        source: ECR,
        detail_type: "ECR Replication Action",
        resources: vec![of.scope.repository_arn(of.repository)],
        repository: of.repository.as_str().to_owned(),
        time: of.time,
        detail,
    }
}
