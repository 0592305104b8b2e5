//! Repeats scans that lacked advisories once others are loaded, failed scans included. No client needs to request it.

use std::sync::Arc;

use ecru_model::{ScanFrequency, ScanStatus, ScanType, Timestamp};
use ecru_platform::Clock;
use ecru_platform::jobs::schedule;
use ecru_store::{Store, Tx};

use super::configuration::Configuration;
use super::layers::run_blocking;
use super::record::{self, Lacking};
use super::request::request;
use super::run::ImageScan;
use crate::Error;
use crate::ports::image_scanner::ImageScanner;
use crate::records::repositories::{self, Repository};
use crate::subjects::ImageSubject;

const SCANS_PER_BATCH: i64 = 100;

/// Schedules every scan again that lacked advisories, if others are loaded now. Returns the number of scans.
pub async fn scan_again(
    store: &Store,
    clock: &Clock,
    scanner: &Arc<dyn ImageScanner>,
) -> Result<usize, Error> {
    if !store
        .read_many(|at| record::any_lacks(at).map_err(Error::from))
        .await?
    {
        return Ok(0);
    }
    let asked = Arc::clone(scanner);
    let revision = run_blocking(move || asked.revision()).await;
    let revision =
        revision.map_err(|problem| Error::server("the advisories cannot be read").caused_by(problem))?;
    let now = clock.now();
    let (mut repeated, mut last) = (0, 0);
    loop {
        let page = (revision, SCANS_PER_BATCH);
        let lacking = store.read_many(move |at| record::lacking(at, last, page).map_err(Error::from));
        let lacking = lacking.await?;
        let Some(reached) = lacking.last() else {
            return Ok(repeated);
        };
        last = reached.scan_id;
        let write = store.write(move |tx| {
            let mut repeated = 0;
            for scan in &lacking {
                if repeat(tx, scan, (revision, now))? {
                    repeated += 1;
                }
            }
            Ok::<_, Error>(repeated)
        });
        repeated += write.await?;
    }
}

/// Whether the scan must still be repeated, under the present rules.
fn repeat(tx: &Tx<'_>, lacking: &Lacking, (revision, now): (i64, Timestamp)) -> Result<bool, Error> {
    let Some(repository) = repositories::find(tx, &lacking.scope, &lacking.name)? else {
        return Ok(false);
    };
    let scan_type = Configuration::find(tx, &lacking.scope)?.scan_type();
    let Some(scan) = record::find(tx, lacking.image_id, scan_type)? else {
        return Ok(false);
    };
    if !scan.lacks_others_than(Some(revision)) || scan.id != lacking.scan_id {
        return Ok(false);
    }
    if scan_type == ScanType::Enhanced && !is_scanned_unasked(tx, &repository)? {
        return Ok(false);
    }
    if scan.status == ScanStatus::Failed {
        let image = (lacking.image_id, &lacking.digest);
        request(tx, &repository, image, scan_type, now)?;
    } else {
        // The old findings stay visible until the new scan ends.
        let target = ImageSubject {
            name: lacking.name.clone(),
            digest: lacking.digest,
        };
        schedule::<ImageScan>(tx, &lacking.scope, &target, now)?;
    }
    record::leave_room(tx, scan.id)?;
    Ok(true)
}

fn is_scanned_unasked(tx: &Tx<'_>, repository: &Repository) -> Result<bool, Error> {
    let configuration = Configuration::find(tx, &repository.scope)?;
    let frequency = configuration.applied_to(&repository.name).frequency;
    Ok(matches!(
        frequency,
        Some(ScanFrequency::ScanOnPush | ScanFrequency::ContinuousScan)
    ))
}
