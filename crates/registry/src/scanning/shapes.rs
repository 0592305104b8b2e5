//! A finding in the two shapes of the model: for basic scanning and for enhanced scanning.

use ecru_model as model;
use ecru_model::{
    Attribute, AwsEcrContainerImageDetails, CvssScoreDetails, EnhancedImageScanFinding, ImageScanFinding,
    ImageTag, PackageVulnerabilityDetails, Recommendation, Remediation, Resource, ResourceDetails,
    ScoreDetails, Timestamp, VulnerablePackage,
};

use serde_json::{Value, json};

use super::record::Scan;
use crate::ports::image_scanner::{CvssScore, Finding, FoundPackage};
use crate::records::repositories::Repository;
use crate::stored_images::Image;

pub(super) fn basic(finding: Finding) -> ImageScanFinding {
    let attributes = finding.attributes.into_iter().map(|(key, value)| Attribute {
        key,
        value: Some(value),
    });
    ImageScanFinding {
        severity: Some(finding.severity.as_model()),
        attributes: Some(attributes.collect()),
        name: Some(finding.name),
        description: given(finding.description),
        uri: given(finding.uri),
    }
}

/// The image and the scan of the findings.
pub(super) struct Found<'a> {
    pub(super) repository: &'a Repository,
    pub(super) image: &'a Image,
    pub(super) tags: Vec<ImageTag>,
    pub(super) scan: &'a Scan,
}

pub(super) fn enhanced(of: &Found<'_>, finding: Finding) -> EnhancedImageScanFinding {
    let observed = of.scan.completed_at;
    let severity = finding.severity.as_model();
    let best = preferred(&finding.scores);
    let title = match &finding.package {
        Some(package) => format!("{} - {}", finding.name, package.name),
        None => finding.name.clone(),
    };
    let fixed = finding
        .package
        .as_ref()
        .and_then(|package| package.fixed_in.clone());
    EnhancedImageScanFinding {
        aws_account_id: Some(of.repository.scope.registry_id.clone()),
        finding_arn: Some(finding_arn(of, &finding)),
        first_observed_at: finding.first_observed_at.map(Timestamp::from_millis).or(observed),
        last_observed_at: observed,
        updated_at: observed,
        title: Some(title),
        r#type: Some("PACKAGE_VULNERABILITY".to_owned()),
        status: Some("ACTIVE".to_owned()),
        severity: Some(severity_word(severity)),
        score: best.map(|score| score.score),
        score_details: best.map(|score| ScoreDetails {
            cvss: Some(CvssScoreDetails {
                adjustments: Some(Vec::new()),
                score: Some(score.score),
                score_source: Some(finding.source.clone()),
                scoring_vector: Some(score.vector.clone()),
                version: Some(score.version.clone()),
            }),
        }),
        fix_available: Some(if fixed.is_some() { "YES" } else { "NO" }.to_owned()),
        exploit_available: Some("NO".to_owned()),
        remediation: Some(Remediation {
            recommendation: Some(Recommendation {
                text: Some(match &fixed {
                    Some(version) => format!("Update to version {version}."),
                    None => "None Provided".to_owned(),
                }),
                url: None,
            }),
        }),
        resources: Some(vec![resource(of)]),
        description: given(finding.description.clone()),
        package_vulnerability_details: Some(details(finding)),
    }
}

/// Inspector's word for ECR's undefined severity is UNTRIAGED.
fn severity_word(severity: model::FindingSeverity) -> String {
    match severity {
        model::FindingSeverity::Undefined => "UNTRIAGED".to_owned(),
        other => other.as_str().to_owned(),
    }
}

/// Version 3 is the one that every source has.
fn preferred(scores: &[CvssScore]) -> Option<&CvssScore> {
    let of = |version: &str| scores.iter().find(|score| score.version.starts_with(version));
    of("3.").or_else(|| of("4.")).or_else(|| scores.first())
}

/// A finding has the same ARN in every scan.
pub(super) fn finding_arn(of: &Found<'_>, finding: &Finding) -> String {
    let scope = &of.repository.scope;
    let package = finding.package.as_ref();
    let identity = format!(
        "{}/{} {} {} {}",
        of.repository.arn(),
        of.image.digest,
        finding.name,
        package.map_or("", |package| &package.name),
        package.map_or("", |package| &package.version),
    );
    let digest = model::Digest::of(identity.as_bytes()).to_string();
    let hex = digest
        .trim_start_matches("sha256:")
        .get(..32)
        .unwrap_or_default()
        .to_owned();
    scope.arn("inspector2", "finding/", &hex)
}

fn resource(of: &Found<'_>) -> Resource {
    let details = AwsEcrContainerImageDetails {
        image_hash: Some(of.image.digest.to_string()),
        image_tags: Some(of.tags.clone()),
        pushed_at: Some(of.image.pushed_at),
        registry: Some(of.repository.scope.registry_id.clone()),
        repository_name: Some(of.repository.name.clone()),
        ..AwsEcrContainerImageDetails::default()
    };
    Resource {
        id: Some(format!("{}/{}", of.repository.arn(), of.image.digest)),
        r#type: Some("AWS_ECR_CONTAINER_IMAGE".to_owned()),
        tags: None,
        details: Some(ResourceDetails {
            aws_ecr_container_image: Some(details),
        }),
    }
}

fn details(finding: Finding) -> PackageVulnerabilityDetails {
    let source = finding.source;
    let cvss = finding.scores.into_iter().map(|score| model::CvssScore {
        base_score: Some(score.score),
        scoring_vector: Some(score.vector),
        source: Some(source.clone()),
        version: Some(score.version),
    });
    PackageVulnerabilityDetails {
        cvss: Some(cvss.collect()),
        reference_urls: Some(finding.references),
        related_vulnerabilities: Some(finding.related),
        source: given(source),
        source_url: given(finding.uri),
        vendor_created_at: finding.published_at.map(Timestamp::from_millis),
        vendor_severity: Some(finding.severity.as_model().as_str().to_owned()),
        vendor_updated_at: finding.modified_at.map(Timestamp::from_millis),
        vulnerability_id: Some(finding.name),
        vulnerable_packages: Some(finding.package.into_iter().map(package).collect()),
    }
}

fn package(package: FoundPackage) -> VulnerablePackage {
    VulnerablePackage {
        arch: package.architecture,
        epoch: package.epoch,
        file_path: given(package.path),
        name: Some(package.name),
        package_manager: given(package.manager),
        release: package.release,
        source_layer_hash: given(package.layer),
        version: Some(package.version),
        fixed_in_version: package.fixed_in,
    }
}

/// A finding as Inspector's own event reports it, with its times written out.
pub(super) fn told(of: &Found<'_>, finding: Finding, status: &str) -> Value {
    let finding = EnhancedImageScanFinding {
        status: Some(status.to_owned()),
        ..enhanced(of, finding)
    };
    let details = finding.package_vulnerability_details.unwrap_or_default();
    let score = finding.score_details.and_then(|details| details.cvss);
    let remediation = finding
        .remediation
        .and_then(|remediation| remediation.recommendation);
    let mut event = json!({
        "awsAccountId": finding.aws_account_id.map(|account| account.to_string()),
        "findingArn": finding.finding_arn,
        "type": finding.r#type,
        "title": finding.title,
        "description": finding.description,
        "status": finding.status,
        "severity": finding.severity,
        "fixAvailable": finding.fix_available,
        "exploitAvailable": finding.exploit_available,
        "firstObservedAt": finding.first_observed_at.and_then(in_words),
        "lastObservedAt": finding.last_observed_at.and_then(in_words),
        "updatedAt": finding.updated_at.and_then(in_words),
        "remediation": { "recommendation": { "text": remediation.and_then(|advice| advice.text) } },
        "packageVulnerabilityDetails": told_details(details),
        "resources": [{
            "id": format!("{}/{}", of.repository.arn(), of.image.digest),
            "type": "AWS_ECR_CONTAINER_IMAGE",
            "partition": "N/A",
            "region": "N/A",
            "details": { "awsEcrContainerImage": {
                "imageHash": of.image.digest.to_string(),
                "imageTags": of.tags.iter().map(ImageTag::as_str).collect::<Vec<_>>(),
                "pushedAt": in_words(of.image.pushed_at),
                "registry": of.repository.scope.registry_id.as_str(),
                "repositoryName": of.repository.name.as_str(),
            } },
        }],
    });
    if let (Some(score), Some(members)) = (score, event.as_object_mut()) {
        members.insert("inspectorScore".to_owned(), json!(score.score));
        members.insert(
            "inspectorScoreDetails".to_owned(),
            json!({ "adjustedCvss": {
                "adjustments": [],
                "cvssSource": score.score_source,
                "score": score.score,
                "scoreSource": score.score_source,
                "scoringVector": score.scoring_vector,
                "version": score.version,
            } }),
        );
    }
    event
}

fn told_details(details: PackageVulnerabilityDetails) -> Value {
    json!({
        "cvss": details.cvss.unwrap_or_default().into_iter().map(|score| json!({
            "baseScore": score.base_score,
            "scoringVector": score.scoring_vector,
            "source": score.source,
            "version": score.version,
        })).collect::<Vec<_>>(),
        "referenceUrls": details.reference_urls,
        "relatedVulnerabilities": details.related_vulnerabilities,
        "source": details.source,
        "sourceUrl": details.source_url,
        "vendorCreatedAt": details.vendor_created_at.and_then(in_words),
        "vendorSeverity": details.vendor_severity,
        "vendorUpdatedAt": details.vendor_updated_at.and_then(in_words),
        "vulnerabilityId": details.vulnerability_id,
        "vulnerablePackages": details.vulnerable_packages.unwrap_or_default().into_iter().map(|package| json!({
            "arch": package.arch,
            "epoch": package.epoch,
            "filePath": package.file_path,
            "fixedInVersion": package.fixed_in_version,
            "name": package.name,
            "packageManager": package.package_manager,
            "release": package.release,
            "sourceLayerHash": package.source_layer_hash,
            "version": package.version,
        })).collect::<Vec<_>>(),
    })
}

/// `Dec 3, 2021, 6:02:30 PM`.
fn in_words(time: Timestamp) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(time.as_millis()).ok()?;
    Some(time.strftime("%b %-d, %Y, %-I:%M:%S %p").to_string())
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
