//! Findings that a test sets for a digest: every scan of such an image reports them, now and later.

use std::sync::Arc;

use ecru_model::{Digest, Region, RegistryId, RepositoryName, ScanStatus, Scope};
use ecru_store::{Snapshot, StoreError, Tx, Value, stored};
use serde::{Deserialize, Serialize};

use super::configuration::Configuration;
use super::publish::{Subject, publish};
use super::{is_scannable, record};
use crate::ports::image_scanner::{CvssScore, Finding, FoundPackage, ScanProblem, ScanReport, Severity};
use crate::records::repositories;
use crate::{Error, Service, stored_images};

/// If more repositories hold the image, the others show the findings when they are scanned.
const IMAGES_MAX: i64 = 1_000;
const ATTEMPTS_MAX: usize = 5;

/// A finding in the members of `DescribeImageScanFindings`, without those that only the enhanced shape has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetFinding {
    pub name: String,
    #[serde(default)]
    pub severity: Severity,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub uri: String,
    #[serde(default)]
    pub attributes: Vec<PresetAttribute>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetAttribute {
    pub key: String,
    #[serde(default)]
    pub value: String,
}

impl PresetFinding {
    fn finding(self) -> Finding {
        let value = |key: &str| {
            let found = self.attributes.iter().find(|attribute| attribute.key == key);
            found.map(|attribute| attribute.value.clone())
        };
        let scores = [("2.0", "CVSS2"), ("3.1", "CVSS3"), ("4.0", "CVSS4")]
            .into_iter()
            .filter_map(|(version, key)| {
                Some(CvssScore {
                    version: version.to_owned(),
                    score: value(&format!("{key}_SCORE"))?.parse().ok()?,
                    vector: value(&format!("{key}_VECTOR")).unwrap_or_default(),
                })
            });
        Finding {
            scores: scores.collect(),
            package: value("package_name").map(|name| FoundPackage {
                name,
                version: value("package_version").unwrap_or_default(),
                ..FoundPackage::default()
            }),
            attributes: self
                .attributes
                .into_iter()
                .map(|attribute| (attribute.key, attribute.value))
                .collect(),
            name: self.name,
            description: self.description,
            uri: self.uri,
            severity: self.severity,
            ..Finding::default()
        }
    }
}

/// Sets the findings, and shows them at once in every image of this digest. Returns the number of these images.
pub async fn preset_findings(
    service: &Arc<Service>,
    digest: Digest,
    findings: Vec<PresetFinding>,
) -> Result<usize, Error> {
    let mut findings: Vec<_> = findings.into_iter().map(PresetFinding::finding).collect();
    // In the order of a scan, the worst first; findings of equal severity keep the given order.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let text = stored(serde_json::to_string(&findings))?;
    let save = move |tx: &Tx<'_>| {
        tx.execute(
            "INSERT INTO preset_findings (digest, findings) VALUES (?1, ?2)
             ON CONFLICT (digest) DO UPDATE SET findings = excluded.findings",
            &[Value::Blob(digest.as_bytes()), Value::Text(&text)],
        )
    };
    service
        .store
        .write(move |tx| save(tx).map_err(Error::from))
        .await?;

    let result = Ok(report(findings));
    let places = service.store.read_many(move |at| places(at, &digest)).await?;
    let mut shown = 0;
    for (scope, name) in places {
        if show(service, &scope, &name, digest, &result).await? {
            shown += 1;
        }
    }
    Ok(shown)
}

/// If a scan under way ends first, this replaces its result.
async fn show(
    service: &Arc<Service>,
    scope: &Scope,
    name: &RepositoryName,
    digest: Digest,
    result: &Result<ScanReport, ScanProblem>,
) -> Result<bool, Error> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(subject) = begin(service, scope.clone(), name.clone(), digest).await? else {
            return Ok(false);
        };
        if publish(service, None, subject, result, None).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the preset findings, so that images of this digest are scanned again. Returns whether any were set.
pub async fn release_findings(service: &Service, digest: Digest) -> Result<bool, Error> {
    let write = service.store.write(move |tx| {
        let removed = tx.execute(
            "DELETE FROM preset_findings WHERE digest = ?1",
            &[Value::Blob(digest.as_bytes())],
        )?;
        Ok::<_, Error>(removed > 0)
    });
    write.await
}

/// Removes all preset findings.
pub(crate) fn forget(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM preset_findings", &[])?;
    Ok(())
}

pub(super) fn find(at: &Snapshot<'_>, digest: &Digest) -> Result<Option<Vec<Finding>>, Error> {
    let found = at.find(
        "SELECT findings FROM preset_findings WHERE digest = ?1",
        &[Value::Blob(digest.as_bytes())],
        |row| stored(serde_json::from_str(row.text(0)?)),
    )?;
    Ok(found)
}

pub(super) fn report(findings: Vec<Finding>) -> ScanReport {
    ScanReport {
        has_packages: true,
        findings,
        ..ScanReport::default()
    }
}

/// The repositories that hold an image, in every account and region.
fn places(at: &Snapshot<'_>, digest: &Digest) -> Result<Vec<(Scope, RepositoryName)>, Error> {
    let places = at.query(
        "SELECT r.account, r.region, r.name FROM repositories r
         JOIN images i ON i.repository_id = r.id AND i.digest = ?1 WHERE r.deleted = 0 ORDER BY r.id LIMIT ?2",
        &[Value::Blob(digest.as_bytes()), Value::Integer(IMAGES_MAX)],
        |row| {
            let scope = Scope {
                registry_id: stored(RegistryId::parse(row.text(0)?))?,
                region: stored(Region::parse(row.text(1)?))?,
            };
            Ok((scope, stored(RepositoryName::parse(row.text(2)?))?))
        },
    )?;
    Ok(places)
}

/// None for an image that is gone by now, or that cannot be scanned.
async fn begin(
    service: &Service,
    scope: Scope,
    name: RepositoryName,
    digest: Digest,
) -> Result<Option<Subject>, Error> {
    let now = service.clock.now();
    let write = service.store.write(move |tx| {
        let Some(repository) = repositories::find(tx, &scope, &name)? else {
            return Ok(None);
        };
        let Some(image) = stored_images::find(tx, &repository, &digest)? else {
            return Ok(None);
        };
        if !is_scannable(&image.media_type, image.artifact_media_type.as_deref()) {
            return Ok(None);
        }
        let configuration = Configuration::find(tx, &scope)?;
        let scan_type = configuration.scan_type();
        let continuous = configuration.scans_continuously(&repository.name);
        record::begin(
            tx,
            (repository.id, image.id),
            (scan_type, ScanStatus::InProgress),
            now,
        )?;
        let scan = record::find(tx, image.id, scan_type)?;
        Ok::<_, Error>(scan.map(|scan| Subject {
            repository,
            image,
            scan,
            continuous,
            now,
        }))
    });
    write.await
}
