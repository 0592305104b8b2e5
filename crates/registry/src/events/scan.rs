//! The events of scanning: of ECR's basic scanner, of its settings, and of the enhanced scanner, whose events are its own.

use std::collections::BTreeMap;

use ecru_model::{Digest, RepositoryName, Scope, Timestamp};
use serde_json::{Value, json};

use super::{ECR, Event, INSPECTOR};
/// The image that was scanned.
#[derive(Clone, Copy)]
pub struct Scanned<'a> {
    pub scope: &'a Scope,
    pub repository: &'a RepositoryName,
    pub digest: &'a Digest,
    pub tags: &'a [String],
    pub time: Timestamp,
}

/// A basic scan ended. Only severities with findings are reported.
pub fn scan_ended(of: &Scanned<'_>, status: &str, severities: &BTreeMap<String, i64>) -> Event {
    let detail = json!({
        "scan-status": status,
        "repository-name": of.repository.as_str(),
        "finding-severity-counts": severities,
        "image-digest": of.digest.to_string(),
        "image-tags": of.tags,
    });
    event(of, ECR, "ECR Image Scan", detail)
}

/// The first enhanced scan of an image ended. The event names the repository by its ARN.
pub fn enhanced_scan_ended(of: &Scanned<'_>, severities: &BTreeMap<String, i64>) -> Event {
    let mut counts = severities.clone();
    counts.insert("TOTAL".to_owned(), severities.values().sum());
    let detail = json!({
        "scan-status": "INITIAL_SCAN_COMPLETE",
        "repository-name": of.scope.repository_arn(of.repository),
        "finding-severity-counts": counts,
        "image-digest": of.digest.to_string(),
        "image-tags": of.tags,
    });
    event(of, INSPECTOR, "Inspector2 Scan", detail)
}

/// An enhanced finding appeared, changed or was closed; `finding` describes it.
pub fn finding_changed(of: &Scanned<'_>, finding: Value) -> Event {
    Event {
        resources: vec![format!(
            "{}/{}",
            of.scope.repository_arn(of.repository),
            of.digest
        )],
        ..event(of, INSPECTOR, "Inspector2 Finding", finding)
    }
}

/// Enhanced scanning scans a repository at a new frequency.
pub fn scan_frequency_changed(
    scope: &Scope,
    repository: &RepositoryName,
    (previous, frequency): (&str, &str),
    time: Timestamp,
) -> Event {
    let detail = json!({
        "action-type": "SCAN_FREQUENCY_CHANGE",
        "repositories": [{
            "repository-name": repository.as_str(),
            "repository-arn": scope.repository_arn(repository),
            "scan-frequency": frequency,
            "previous-scan-frequency": previous,
        }],
        "resource-type": "REPOSITORY",
        "scan-type": "ENHANCED",
    });
    Event {
        source: ECR,
        detail_type: "ECR Scan Resource Change",
        resources: Vec::new(),
        repository: repository.as_str().to_owned(),
        time,
        detail,
    }
}

fn event(of: &Scanned<'_>, source: &'static str, detail_type: &'static str, detail: Value) -> Event {
    Event {
        source,
        detail_type,
        resources: vec![of.scope.repository_arn(of.repository)],
        repository: of.repository.as_str().to_owned(),
        time: of.time,
        detail,
    }
}
