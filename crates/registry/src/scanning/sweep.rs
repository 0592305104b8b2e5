//! The job of a registry whose scanning rules changed: it records the change for each repository, and enhanced scanning begins on
//! images that were pushed recently.

use std::sync::Arc;

use ecru_model::{
    Digest, ImageStatus, RepositoryName, ScanFrequency, ScanStatus, ScanType, Scope, Timestamp,
};
use ecru_platform::jobs::{Job, Lease, Outcome, Work};
use ecru_platform::paging::Room;
use ecru_store::{Snapshot, StoreError, Tx, Value, stored};
use serde_json::json;

use super::configuration::{Applied, Configuration};
use super::request::request;
use super::{is_scannable, record};
use crate::records::repositories::{self, Repository};
use crate::stored_images::Image;
use crate::{Error, Service, events};

const ROWS_PER_BATCH: u32 = 200;
/// Images that were pushed longer than this before the switch are not scanned.
const ELIGIBLE_MILLISECONDS: i64 = 14 * 24 * 60 * 60 * 1_000;

/// The earliest push that is scanned, if scanning is enhanced.
pub(super) fn eligible_since(configuration: &Configuration) -> Option<Timestamp> {
    let since = configuration.enhanced_since()?;
    Some(Timestamp::from_millis(
        since.as_millis().saturating_sub(ELIGIBLE_MILLISECONDS),
    ))
}

/// The scan status of an image without a scan; none for an image that is not scanned.
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

/// The job that applies new scanning rules to repositories and images.
pub(crate) struct ScanSweep;

impl Work for ScanSweep {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = "scan-sweep";
    type Subject = ();

    async fn run(service: &Arc<Service>, job: Job<()>, lease: &Lease) -> Result<Outcome, Error> {
        run(service, &job, lease).await
    }
}

async fn run(service: &Arc<Service>, job: &Job<()>, lease: &Lease) -> Result<Outcome, Error> {
    let scope = &job.scope;
    let configuration = service
        .store
        .read(|at| Ok::<_, Error>(Configuration::find(at, scope)?))
        .await?;
    let sweep = Sweep {
        scope: scope.clone(),
        configuration,
        lease: lease.clone(),
        now: service.clock.now(),
    };

    let mut images = 0;
    let mut last = String::new();
    loop {
        let page = service
            .store
            .read(|at| Ok::<_, Error>(repositories::list(at, scope, &last, &Room::new(ROWS_PER_BATCH))?))
            .await?;
        for repository in page.items {
            images += sweep.repository(service, repository).await?;
        }
        let Some(reached) = page.next else { break };
        last = reached;
    }
    sweep.finish(service).await?;
    Ok(Outcome::Done(json!({ "images": images })))
}

#[derive(Clone)]
struct Sweep {
    scope: Scope,
    configuration: Configuration,
    lease: Lease,
    now: Timestamp,
}

impl Sweep {
    async fn repository(&self, service: &Service, repository: Repository) -> Result<usize, Error> {
        self.tell(service, &repository.name).await?;
        if self.configuration.scan_type() != ScanType::Enhanced
            || self
                .configuration
                .applied_to(&repository.name)
                .frequency
                .is_none()
        {
            return Ok(0);
        }
        let Some(since) = eligible_since(&self.configuration) else {
            return Ok(0);
        };
        let (mut taken_up, mut last) = (0, 0);
        loop {
            let page = service
                .store
                .read(|at| Ok::<_, Error>(examine(at, repository.id, last)?))
                .await?;
            let Some(reached) = page.last() else {
                return Ok(taken_up);
            };
            last = reached.id;
            let eligible: Vec<_> = page
                .into_iter()
                .filter(|image| image.scannable && image.pushed_at >= since)
                .collect();
            if !eligible.is_empty() {
                taken_up += self.take_up(service, repository.clone(), eligible).await?;
            }
        }
    }

    /// Requests a scan for each image that exists and has none.
    async fn take_up(
        &self,
        service: &Service,
        repository: Repository,
        images: Vec<Candidate>,
    ) -> Result<usize, Error> {
        let sweep = self.clone();
        let write = service.store.write(move |tx| {
            sweep.lease.check(tx)?;
            let mut taken_up = 0;
            for image in &images {
                let is_there = is_there(tx, image.id)?;
                if is_there && record::find(tx, image.id, ScanType::Enhanced)?.is_none() {
                    request(
                        tx,
                        &repository,
                        (image.id, &image.digest),
                        ScanType::Enhanced,
                        sweep.now,
                    )?;
                    taken_up += 1;
                }
            }
            Ok::<_, Error>(taken_up)
        });
        write.await
    }

    /// Records an event if enhanced scanning changes the scan frequency of a repository.
    async fn tell(&self, service: &Service, name: &RepositoryName) -> Result<(), Error> {
        let Some(previous) = self.configuration.previous() else {
            return Ok(());
        };
        let frequencies = (
            word(&previous.applied_to(name)),
            word(&self.configuration.applied_to(name)),
        );
        if self.configuration.scan_type() != ScanType::Enhanced || frequencies.0 == frequencies.1 {
            return Ok(());
        }
        let (sweep, name) = (self.clone(), name.clone());
        let write = service.store.write(move |tx| {
            sweep.lease.check(tx)?;
            let event = events::scan_frequency_changed(&sweep.scope, &name, frequencies, sweep.now);
            events::record(tx, &sweep.scope, &event).map_err(Error::from)
        });
        write.await
    }

    /// Forgets the previous rules, unless the rules changed again meanwhile.
    async fn finish(self, service: &Service) -> Result<(), Error> {
        let write = service.store.write(move |tx| {
            self.lease.check(tx)?;
            let mut standing = Configuration::find(tx, &self.scope)?;
            if standing == self.configuration && standing.previous().is_some() {
                standing.forget_previous();
                standing.save(tx, &self.scope)?;
            }
            Ok::<_, Error>(())
        });
        write.await
    }
}

fn word(applied: &Applied) -> &'static str {
    applied.frequency.unwrap_or(ScanFrequency::Manual).as_str()
}

struct Candidate {
    id: i64,
    digest: Digest,
    pushed_at: Timestamp,
    scannable: bool,
}

fn examine(at: &Snapshot<'_>, repository_id: i64, after: i64) -> Result<Vec<Candidate>, StoreError> {
    at.query(
        "SELECT id, digest, pushed_at, media_type, artifact_media_type FROM images
         WHERE repository_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        &[
            Value::Integer(repository_id),
            Value::Integer(after),
            Value::Integer(ROWS_PER_BATCH.into()),
        ],
        |row| {
            Ok(Candidate {
                id: row.integer(0)?,
                digest: stored(Digest::from_bytes(row.blob(1)?))?,
                pushed_at: Timestamp::from_millis(row.integer(2)?),
                scannable: is_scannable(row.text(3)?, row.optional_text(4)?),
            })
        },
    )
}

fn is_there(tx: &Tx<'_>, image_id: i64) -> Result<bool, StoreError> {
    let found = tx.find(
        "SELECT 1 FROM images WHERE id = ?1",
        &[Value::Integer(image_id)],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}
