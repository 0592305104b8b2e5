//! The job that scans one image: it scans the layers, or uses preset findings, and ends the scans.

use std::sync::Arc;

use ecru_model::{Digest, ScanType, Timestamp};
use ecru_platform::jobs::{Job, Lease, Outcome, schedule};
use ecru_store::Snapshot;
use serde_json::json;

use super::configuration::Configuration;
use super::layers::{layer, run_blocking};
use super::publish::{Subject, publish};
use super::record::{self, Scan};
use super::{is_scannable, presets};
use crate::ports::image_scanner::{ScanProblem, ScanReport};
use crate::records::repositories::{self, Repository};
use crate::stored_images::{self, Image};
use crate::subjects::ImageSubject;
use crate::{Error, Service};

const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// After this number of attempts the scan is reported as failed.
const ATTEMPTS_MAX: i64 = 5;

pub(crate) struct ImageScan;

impl ecru_platform::jobs::Work for ImageScan {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = "image-scan";
    /// The scanner scans one image at a time, so a second run would only occupy a place.
    const RUNNING_MAX: usize = 1;
    type Subject = ImageSubject;

    async fn run(service: &Arc<Service>, job: Job<ImageSubject>, lease: &Lease) -> Result<Outcome, Error> {
        run(service, &job, lease).await
    }
}

async fn run(service: &Arc<Service>, job: &Job<ImageSubject>, lease: &Lease) -> Result<Outcome, Error> {
    let nothing = || Ok(Outcome::Done(json!({})));
    let now = service.clock.now();
    // Read before the scan: advisories that are loaded during the scan are not those that it used.
    let revision = revision(service).await;
    let found = service
        .store
        .read(|at| Work::find(at, job, (now, revision)))
        .await?;
    let Some(work) = found else {
        return nothing();
    };

    let result = match service
        .store
        .read(|at| presets::find(at, &job.subject.digest))
        .await?
    {
        Some(findings) => Ok(presets::report(findings)),
        None => match scan(service, &work).await {
            Err(ScanProblem::Scanner(cause)) if job.attempts < ATTEMPTS_MAX => {
                return Err(Error::server("an image could not be scanned").caused_by(cause));
            }
            result => result,
        },
    };
    let again = work
        .continuous
        .then(|| Timestamp::from_millis(now.as_millis().saturating_add(DAY_MILLISECONDS)));
    let mut ended = Vec::new();
    for scan in &work.scans {
        let subject = Subject {
            repository: work.repository.clone(),
            image: work.image.clone(),
            scan: scan.clone(),
            continuous: scan.kind == ScanType::Enhanced && again.is_some(),
            now,
        };
        let end = publish(service, Some(lease), subject, &result, revision).await?;
        let status = end.map_or("SUPERSEDED", |status| status.as_str());
        ended.push(json!({ "scanType": scan.kind.as_str(), "status": status }));
    }
    if let Some(due) = again {
        let (lease, scope, target) = (lease.clone(), job.scope.clone(), job.subject.clone());
        let scheduling = move |tx: &ecru_store::Tx<'_>| {
            lease.check(tx)?;
            schedule::<ImageScan>(tx, &scope, &target, due).map_err(Error::from)
        };
        service.store.write(scheduling).await?;
    }
    Ok(Outcome::Done(json!({ "scans": ended })))
}

/// What to scan, and for which scans.
struct Work {
    repository: Repository,
    image: Image,
    layers: Vec<Digest>,
    scans: Vec<Scan>,
    continuous: bool,
}

impl Work {
    /// None if the image is gone, or if no scan waits for it any more.
    fn find(
        at: &Snapshot<'_>,
        job: &Job<ImageSubject>,
        (now, revision): (Timestamp, Option<i64>),
    ) -> Result<Option<Self>, Error> {
        let Some(repository) = repositories::find(at, &job.scope, &job.subject.name)? else {
            return Ok(None);
        };
        let Some(image) = stored_images::find(at, &repository, &job.subject.digest)? else {
            return Ok(None);
        };
        if !is_scannable(&image.media_type, image.artifact_media_type.as_deref()) {
            return Ok(None);
        }
        let configuration = Configuration::find(at, &job.scope)?;
        let continuous = configuration.scans_continuously(&repository.name);
        let mut scans = Vec::new();
        for scan_type in [ScanType::Basic, ScanType::Enhanced] {
            let scan = record::find(at, image.id, scan_type)?;
            let looked_at_again = scan_type == ScanType::Enhanced && continuous;
            let is_shown = scan_type == configuration.scan_type();
            scans.extend(scan.filter(|scan| {
                scan.is_under_way()
                    || (is_shown && scan.lacks_others_than(revision))
                    || (looked_at_again && is_old(scan, now))
            }));
        }
        if scans.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            layers: stored_images::layers_of(at, &image)?,
            repository,
            image,
            scans,
            continuous,
        }))
    }
}

fn is_old(scan: &Scan, now: Timestamp) -> bool {
    let completed = scan.completed_at.map_or(i64::MIN, Timestamp::as_millis);
    completed <= now.as_millis().saturating_sub(DAY_MILLISECONDS)
}

async fn scan(service: &Arc<Service>, work: &Work) -> Result<ScanReport, ScanProblem> {
    let Some(scanner) = service.ports.scanner.clone() else {
        return Ok(ScanReport {
            has_packages: true,
            is_uncovered: true,
            ..ScanReport::default()
        });
    };
    let layers = work
        .layers
        .iter()
        .map(|digest| layer(&service.store, *digest))
        .collect();
    run_blocking(move || scanner.scan(layers)).await
}

/// The revision of the loaded advisories.
async fn revision(service: &Service) -> Option<i64> {
    let scanner = service.ports.scanner.clone()?;
    run_blocking(move || scanner.revision()).await.ok()
}
