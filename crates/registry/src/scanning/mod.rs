//! Scanning of images for vulnerabilities: which images are scanned when, and the findings.
//!
//! A scan is a row of its image, inserted in the transaction that requests it, and a job that ends it. Each type of scanning has
//! its own row: basic scans are requested or follow a push, enhanced scans follow the rules.

mod again;
mod configuration;
mod describe_image_scan_findings;
mod ecosystems;
mod layers;
mod observer;
mod presets;
mod publish;
mod record;
mod request;
mod run;
mod shapes;
mod start_image_scan;
mod sweep;

use ecru_model::{ErrorCode, ImageDetail, ImageIdentifier, ImageScanFindingsSummary, ScanStatus, ScanType};
use ecru_store::Snapshot;

use crate::Error;
use crate::records::registry_settings;
use crate::records::repositories::Repository;
use crate::stored_images::Image;

pub use crate::ports::image_scanner::{
    CvssScore, Finding, FoundPackage, ImageScanner, OpenLayer, ScanLayer, ScanProblem, ScanReport, Severity,
};
pub use again::scan_again;
pub use configuration::{
    batch_get_repository_scanning_configuration, get_registry_scanning_configuration,
    put_registry_scanning_configuration,
};
pub use describe_image_scan_findings::describe_image_scan_findings;
pub use ecosystems::StoredEcosystems;
pub(crate) use observer::Observer;
pub(crate) use presets::forget as forget_presets;
pub use presets::{PresetFinding, preset_findings, release_findings};
pub(crate) use record::miscounted;
pub(crate) use run::ImageScan;
pub use start_image_scan::start_image_scan;
pub(crate) use sweep::ScanSweep;

use configuration::Configuration;

const IMAGE_CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
const IMAGE_MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Indexes and artifacts have no layers to scan.
fn is_scannable(media_type: &str, artifact_media_type: Option<&str>) -> bool {
    IMAGE_MANIFESTS.contains(&media_type)
        && artifact_media_type.is_some_and(|kind| IMAGE_CONFIGS.contains(&kind))
}

/// Adds scan results to a list of images. Only ECR's older basic scanner does so: its successor and enhanced
/// scanning report only through `DescribeImageScanFindings`.
pub(crate) fn summarize(
    at: &Snapshot<'_>,
    repository: &Repository,
    image_ids: &[i64],
    described: &mut [ImageDetail],
) -> Result<(), Error> {
    let scan_type = Configuration::find(at, &repository.scope)?.scan_type();
    if scan_type == ScanType::Enhanced || !registry_settings::scans_as_before(at, &repository.scope)? {
        return Ok(());
    }
    for (image_id, detail) in image_ids.iter().zip(described) {
        let Some(scan) = record::find(at, *image_id, scan_type)? else {
            continue;
        };
        detail.image_scan_status = Some(scan.describe_status());
        // A failed scan has no findings, which does not mean that the image has no vulnerabilities.
        let completed_at = scan.completed_at.filter(|_| scan.status == ScanStatus::Complete);
        detail.image_scan_findings_summary = completed_at.map(|completed_at| ImageScanFindingsSummary {
            image_scan_completed_at: Some(completed_at),
            vulnerability_source_updated_at: scan.source_updated_at,
            finding_severity_counts: Some(scan.describe_counts()),
        });
    }
    Ok(())
}

fn scan_not_found(repository: &Repository, image: &Image, id: &ImageIdentifier) -> Error {
    Error::new(
        ErrorCode::ScanNotFoundException,
        format!(
            "Image scan does not exist for the image with '{{imageDigest:'{}', imageTag:'{}'}}' in the repository with \
             name '{}' in the registry with id '{}'",
            image.digest,
            id.image_tag.as_deref().unwrap_or("null"),
            repository.name,
            repository.scope.registry_id
        ),
    )
}

/// The image id in answers: the image's digest, and the tag of the request.
fn answered_id(image: &Image, asked: &ImageIdentifier) -> ImageIdentifier {
    ImageIdentifier {
        image_digest: Some(image.digest.to_string()),
        image_tag: asked.image_tag.clone(),
    }
}
