//! Which images enhanced scanning takes up by itself.

use ecru_model::{ImageStatus, ScanStatus, ScanType, Timestamp};

use super::configuration::Configuration;
use super::is_scannable;
use crate::images::Image;
use crate::repositories::Repository;

/// Images that were pushed longer before the switch are left alone.
const ELIGIBLE_MILLISECONDS: i64 = 14 * 24 * 60 * 60 * 1_000;

/// The earliest push that is still scanned, where scanning is enhanced.
pub(super) fn eligible_since(configuration: &Configuration) -> Option<Timestamp> {
    let since = configuration.enhanced_since()?;
    Some(Timestamp::from_millis(
        since.as_millis().saturating_sub(ELIGIBLE_MILLISECONDS),
    ))
}

/// How it stands with an image that has not been scanned; none for one that is not to be scanned.
pub(super) fn standing(
    configuration: &Configuration,
    repository: &Repository,
    image: &Image,
) -> Option<ScanStatus> {
    let wanted = configuration.scan_type() == ScanType::Enhanced
        && image.status == ImageStatus::Active
        && is_scannable(&image.media_type, image.artifact_media_type.as_deref())
        && configuration.applied_to(&repository.name).frequency.is_some();
    let eligible = eligible_since(configuration).is_none_or(|since| image.pushed_at >= since);
    match (wanted, eligible) {
        (false, _) => None,
        (true, true) => Some(ScanStatus::Pending),
        (true, false) => Some(ScanStatus::ScanEligibilityExpired),
    }
}
