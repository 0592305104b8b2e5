//! Asking for a scan: the row that says it is under way, and the job that ends it.

use ecru_model::{Digest, RepositoryName, ScanFrequency, ScanStatus, ScanType, Scope, Timestamp};
use ecru_store::{StoreError, Tx};

use super::configuration::Configuration;
use super::{is_scannable, record};
use crate::jobs::{Kind, NewJob, schedule};
use crate::repositories::Repository;

/// The image that a job is to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: RepositoryName,
    pub(super) digest: Digest,
}

impl Target {
    fn subject(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    pub(super) fn parse(subject: &str) -> Option<Self> {
        let (name, digest) = subject.split_once('@')?;
        Some(Self {
            name: RepositoryName::parse(name).ok()?,
            digest: Digest::parse(digest).ok()?,
        })
    }
}

pub(super) fn schedule_scan(
    tx: &Tx<'_>,
    scope: &Scope,
    target: &Target,
    due: Timestamp,
) -> Result<(), StoreError> {
    let job = NewJob {
        kind: Kind::ImageScan,
        scope,
        subject: &target.subject(),
        due,
    };
    schedule(tx, &job)
}

/// Basic scans say from the start that they are in progress, enhanced ones that they wait.
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
    let target = Target {
        name: repository.name.clone(),
        digest: *digest,
    };
    schedule_scan(tx, &repository.scope, &target, now)
}

/// An image that came into a repository.
pub(crate) struct Pushed<'a> {
    pub(crate) image_id: i64,
    pub(crate) digest: &'a Digest,
    pub(crate) media_type: &'a str,
    pub(crate) artifact_media_type: Option<&'a str>,
    pub(crate) at: Timestamp,
}

/// Scans an image if the registry's rules, or the older switch of its repository, say so. The switch means basic scans.
pub(crate) fn image_pushed(
    tx: &Tx<'_>,
    repository: &Repository,
    pushed: &Pushed<'_>,
) -> Result<(), StoreError> {
    if !is_scannable(pushed.media_type, pushed.artifact_media_type) {
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
        request(
            tx,
            repository,
            (pushed.image_id, pushed.digest),
            scan_type,
            pushed.at,
        )?;
    }
    Ok(())
}
