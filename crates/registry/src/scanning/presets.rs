//! Findings that a test sets for a digest: they are what every scan of such an image gives, at once and later.

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

/// An image that was pushed to more repositories is shown with its findings when it is scanned.
const IMAGES_MAX: i64 = 1_000;
const ATTEMPTS_MAX: usize = 5;

/// A finding in the words of `DescribeImageScanFindings`, with what only the enhanced shape has left out.
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

/// Sets the findings, and shows them at once in every image of this digest. How many there are.
pub async fn preset_findings(
    service: &Arc<Service>,
    digest: Digest,
    findings: Vec<PresetFinding>,
) -> Result<usize, Error> {
    let mut findings: Vec<_> = findings.into_iter().map(PresetFinding::finding).collect();
    // As a scan has them, the worst first; the order given stands among equals.
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

/// A scan that is under way may end first, and is then superseded.
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

/// Lets images of this digest be scanned again. Whether any findings had been set.
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

/// All of them.
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

/// The repositories that hold an image, of every account and region.
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

/// None for an image that went meanwhile, or that no scan would be made of.
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
