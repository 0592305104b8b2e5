//! Requests a scan: inserts the row that reports it as under way, and schedules the job that ends it.

use ecru_model::{Digest, ScanFrequency, ScanStatus, ScanType, Timestamp};
use ecru_platform::jobs::schedule;
use ecru_store::{StoreError, Tx};

use super::configuration::Configuration;
use super::run::ImageScan;
use super::{is_scannable, record};
use crate::ports::image_observer::ObservedImage;
use crate::records::repositories::Repository;
use crate::subjects::ImageSubject;

/// A basic scan reports at once that it is in progress, an enhanced scan that it is pending.
pub(super) fn request(
    tx: &Tx<'_>,
    repository: &Repository,
    (image_id, digest): (i64, &Digest),
    scan_type: ScanType,
    now: Timestamp,
) -> Result<(), StoreError> {
    let status = match scan_type {
        ScanType::Basic => ScanStatus::InProgress,
        ScanType::Enhanced => ScanStatus::Pending,
    };
    record::begin(tx, (repository.id, image_id), (scan_type, status), now)?;
    let target = ImageSubject {
        name: repository.name.clone(),
        digest: *digest,
    };
    schedule::<ImageScan>(tx, &repository.scope, &target, now)
}

/// Scans an image if the rules of the registry, or the older setting of its repository, require it. That
/// setting means basic scans.
pub(super) fn scan_on_push(tx: &Tx<'_>, image: &ObservedImage<'_>, now: Timestamp) -> Result<(), StoreError> {
    let repository = image.repository;
    if !is_scannable(image.media_type, image.artifact_media_type) {
        return Ok(());
    }
    let configuration = Configuration::find(tx, &repository.scope)?;
    let scan_type = configuration.scan_type();
    let by_rule = matches!(
        configuration.applied_to(&repository.name).frequency,
        Some(ScanFrequency::ScanOnPush | ScanFrequency::ContinuousScan)
    );
    let by_switch = repository.scan_on_push && scan_type == ScanType::Basic;
    if by_rule || by_switch {
        request(tx, repository, (image.id, image.digest), scan_type, now)?;
    }
    Ok(())
}
