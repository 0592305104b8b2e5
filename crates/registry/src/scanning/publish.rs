//! Publishes a scan: writes its findings in batches, then makes all of them visible in one commit with the event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ecru_model::{ImageTag, ScanStatus, ScanType, Timestamp};
use ecru_platform::jobs::Lease;
use ecru_platform::paging::Room;
use ecru_store::{Snapshot, StoreError, Tx};
use serde_json::Value;

use super::record::{self, End, FINDINGS_PER_ROW, Scan};
use super::shapes::{Found, finding_arn, told};
use crate::events::{self, Scanned};
use crate::ports::image_scanner::{Finding, ScanProblem, ScanReport};
use crate::records::repositories::Repository;
use crate::stored_images::{Image, tags_of};
use crate::{Error, Service};

/// Rows in one batch: about half a megabyte.
const ROWS_PER_BATCH: usize = 10;
const STALE_ROWS_PER_BATCH: i64 = 100;
const EVENTS_PER_BATCH: usize = 100;
const FINDINGS_PER_PAGE: u32 = 100;

const COMPLETE: &str = "The scan was completed successfully.";
const CONTINUOUS: &str = "Continuous scan is selected for image.";
const UNSUPPORTED: &str =
    "UnsupportedImageError: The operating system and/or package manager are not supported.";

/// A scan that is about to end.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) repository: Repository,
    pub(super) image: Image,
    pub(super) scan: Scan,
    pub(super) continuous: bool,
    pub(super) now: Timestamp,
}

/// Returns the status of the ended scan; none if another result came first, or if the image is gone. A preset
/// has no lease, because it is not the work of a job.
pub(super) async fn publish(
    service: &Arc<Service>,
    lease: Option<&Lease>,
    subject: Subject,
    result: &Result<ScanReport, ScanProblem>,
    revision: Option<i64>,
) -> Result<Option<ScanStatus>, Error> {
    // A preset that arrives during a job writes its findings to another generation; the first of the two to
    // end wins the scan.
    let standing = subject.scan.generation;
    let generation = standing + if lease.is_some() { 1 } else { 2 };
    let verdict = judge(&subject, result, (generation, revision));
    if verdict.lacking_revision.is_some() && !has_counts(verdict.status) {
        tracing::warn!(
            repository = subject.repository.name.as_str(),
            digest = %subject.image.digest,
            "no advisories are loaded for an image that was scanned, so nothing is known of its vulnerabilities"
        );
    }
    let found = match result {
        Ok(report) if has_counts(verdict.status) => report.findings.as_slice(),
        _ => &[],
    };
    // No events report the findings of basic scans.
    let observer = if subject.scan.kind == ScanType::Enhanced && has_counts(verdict.status) {
        Some(service.store.read(|at| Observer::of(at, &subject)).await?)
    } else {
        None
    };

    let place = (subject.scan.id, verdict.generation);
    let clear = move |tx: &Tx<'_>| record::clear_findings(tx, place, STALE_ROWS_PER_BATCH);
    while in_batch(service, lease, clear).await? {}
    let mut position = 0;
    for batch in found.chunks(ROWS_PER_BATCH * FINDINGS_PER_ROW) {
        let dated = observer.as_ref().map(|observer| observer.dated(batch));
        let (first, batch) = (position, dated.unwrap_or_else(|| batch.to_vec()));
        position += i64::try_from(batch.len()).unwrap_or(i64::MAX);
        in_batch(service, lease, move |tx| {
            add(tx, standing, place, (first, &batch))
        })
        .await?;
    }
    if let Some(observer) = &observer {
        observer.tell_what_came(service, lease, found).await?;
        observer.tell_what_went(service, lease, found).await?;
    }
    let (status, scan_id) = (verdict.status, subject.scan.id);
    let ended = in_batch(service, lease, move |tx| end(tx, &subject, &verdict)).await?;
    let remove = move |tx: &Tx<'_>| record::remove_stale_findings(tx, scan_id, STALE_ROWS_PER_BATCH);
    while in_batch(service, lease, remove).await? {}
    Ok(ended.then_some(status))
}

/// Compares the findings with those of the previous scan, a batch at a time: both may be megabytes.
struct Observer {
    /// The scan as it will be when it has ended.
    subject: Subject,
    tags: Vec<ImageTag>,
    /// When each finding of the previous scan was first observed, by its ARN.
    before: BTreeMap<String, Option<i64>>,
}

impl Observer {
    fn of(at: &Snapshot<'_>, subject: &Subject) -> Result<Self, StoreError> {
        let mut observer = Self {
            tags: events::first_of(
                tags_of(at, &subject.repository, subject.image.id)?,
                ImageTag::as_str,
            ),
            subject: subject.clone(),
            before: BTreeMap::new(),
        };
        observer.subject.scan.completed_at = Some(subject.now);
        let mut before = BTreeMap::new();
        let (of, mut position) = (observer.found(), 0);
        loop {
            let room = Room::new(FINDINGS_PER_PAGE);
            let page = record::findings(at, of.scan, position, (&room, 0))?;
            let known = page
                .items
                .iter()
                .map(|finding| (finding_arn(&of, finding), finding.first_observed_at));
            before.extend(known);
            let Some(reached) = page.next else { break };
            position = reached;
        }
        observer.before = before;
        Ok(observer)
    }

    fn found(&self) -> Found<'_> {
        Found {
            repository: &self.subject.repository,
            image: &self.subject.image,
            tags: self.tags.clone(),
            scan: &self.subject.scan,
        }
    }

    /// The findings, each with the time of its first observation.
    fn dated(&self, findings: &[Finding]) -> Vec<Finding> {
        let (of, now) = (self.found(), self.subject.now.as_millis());
        let dated = findings.iter().map(|finding| {
            let since = self.before.get(&finding_arn(&of, finding)).copied().flatten();
            Finding {
                first_observed_at: Some(since.unwrap_or(now)),
                ..finding.clone()
            }
        });
        dated.collect()
    }

    async fn tell_what_came(
        &self,
        service: &Service,
        lease: Option<&Lease>,
        findings: &[Finding],
    ) -> Result<(), Error> {
        for batch in findings.chunks(EVENTS_PER_BATCH) {
            let mut came = self.dated(batch);
            let of = self.found();
            came.retain(|finding| !self.before.contains_key(&finding_arn(&of, finding)));
            self.tell(service, lease, (came, "ACTIVE")).await?;
        }
        Ok(())
    }

    async fn tell_what_went(
        &self,
        service: &Service,
        lease: Option<&Lease>,
        findings: &[Finding],
    ) -> Result<(), Error> {
        let of = self.found();
        let found: BTreeSet<_> = findings.iter().map(|finding| finding_arn(&of, finding)).collect();
        let mut position = 0;
        loop {
            let room = Room::new(FINDINGS_PER_PAGE);
            let page = service
                .store
                .read(|at| record::findings(at, &self.subject.scan, position, (&room, 0)))
                .await?;
            let mut went = page.items;
            went.retain(|finding| !found.contains(&finding_arn(&of, finding)));
            self.tell(service, lease, (went, "CLOSED")).await?;
            let Some(reached) = page.next else { return Ok(()) };
            position = reached;
        }
    }

    async fn tell(
        &self,
        service: &Service,
        lease: Option<&Lease>,
        (findings, status): (Vec<Finding>, &str),
    ) -> Result<(), Error> {
        if findings.is_empty() {
            return Ok(());
        }
        let of = self.found();
        let findings: Vec<_> = findings
            .into_iter()
            .map(|finding| told(&of, finding, status))
            .collect();
        let subject = self.subject.clone();
        in_batch(service, lease, move |tx| tell(tx, &subject, &findings)).await
    }
}

/// Records nothing if another result has replaced the scan.
fn tell(tx: &Tx<'_>, subject: &Subject, told: &[Value]) -> Result<(), StoreError> {
    let (repository, scan) = (&subject.repository, &subject.scan);
    if record::find_generation(tx, scan.id)? != Some(scan.generation) {
        return Ok(());
    }
    let scanned = Scanned {
        scope: &repository.scope,
        repository: &repository.name,
        digest: &subject.image.digest,
        tags: &[],
        time: subject.now,
    };
    for finding in told {
        let event = events::finding_changed(&scanned, finding.clone());
        events::record(tx, &repository.scope, &event)?;
    }
    Ok(())
}

async fn in_batch<T: Send + 'static>(
    service: &Service,
    lease: Option<&Lease>,
    work: impl Fn(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Error> {
    let lease = lease.cloned();
    let write = service.store.write(move |tx| {
        if let Some(lease) = &lease {
            lease.check(tx)?;
        }
        work(tx).map_err(Error::from)
    });
    write.await
}

/// Adds nothing if the scan is gone with its image, or if another result has replaced it.
fn add(
    tx: &Tx<'_>,
    standing: i64,
    place: (i64, i64),
    (first, findings): (i64, &[Finding]),
) -> Result<(), StoreError> {
    if record::find_generation(tx, place.0)? != Some(standing) {
        return Ok(());
    }
    let mut position = first;
    for row in findings.chunks(FINDINGS_PER_ROW) {
        record::add_findings(tx, place, position, row)?;
        position += i64::try_from(row.len()).unwrap_or(i64::MAX);
    }
    Ok(())
}

/// Whether the scan was still to be ended: its image may be gone, and a preset may have come first.
fn end(tx: &Tx<'_>, subject: &Subject, verdict: &End) -> Result<bool, StoreError> {
    let Subject {
        repository,
        image,
        scan,
        now,
        ..
    } = subject;
    if record::find_generation(tx, scan.id)? != Some(scan.generation) {
        return Ok(false);
    }
    record::end(tx, scan.id, verdict)?;
    let tags = events::first_of(tags_of(tx, repository, image.id)?, ImageTag::as_str);
    let tags: Vec<String> = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
    let scanned = Scanned {
        scope: &repository.scope,
        repository: &repository.name,
        digest: &image.digest,
        tags: &tags,
        time: *now,
    };
    let event = match scan.kind {
        ScanType::Basic => events::scan_ended(&scanned, verdict.status.as_str(), &verdict.severity_counts),
        // Later scans of the same image record events only about their findings.
        ScanType::Enhanced if scan.completed_at.is_none() && has_counts(verdict.status) => {
            events::enhanced_scan_ended(&scanned, &verdict.severity_counts)
        }
        ScanType::Enhanced => return Ok(true),
    };
    events::record(tx, &repository.scope, &event)?;
    Ok(true)
}

fn has_counts(status: ScanStatus) -> bool {
    matches!(status, ScanStatus::Complete | ScanStatus::Active)
}

/// The status and description that ECR gives such a result.
fn judge(
    subject: &Subject,
    result: &Result<ScanReport, ScanProblem>,
    (generation, revision): (i64, Option<i64>),
) -> End {
    let enhanced = subject.scan.kind == ScanType::Enhanced;
    let mut end = End {
        status: ScanStatus::Failed,
        description: String::new(),
        completed_at: subject.now,
        source_updated_at: None,
        lacking_revision: None,
        severity_counts: BTreeMap::new(),
        generation,
    };
    match result {
        // [unknown] ECR's wording, except for the part that comes from the scanner.
        Err(ScanProblem::Image(problem)) => end.description = format!("ScanError: {problem}."),
        Err(ScanProblem::Scanner(_)) => {
            "ScanError: The image could not be scanned because of a server-side issue."
                .clone_into(&mut end.description);
        }
        Ok(report) if !report.has_packages => {
            UNSUPPORTED.clone_into(&mut end.description);
            if enhanced {
                end.status = ScanStatus::UnsupportedImage;
            }
        }
        // An empty list would look like an image without vulnerabilities. [unknown] to ECR, which always has its data.
        Ok(report) if report.is_uncovered && report.findings.is_empty() => {
            end.description = format!(
                "AdvisoryDataError: No advisory data is loaded{}, so nothing is known of vulnerabilities in this image. \
                 {LOAD}",
                named(" for ", &report.uncovered)
            );
            end.lacking_revision = Some(revision.unwrap_or(0));
        }
        Ok(report) => {
            let continuous = enhanced && subject.continuous;
            end.status = if continuous {
                ScanStatus::Active
            } else {
                ScanStatus::Complete
            };
            let text = if continuous { CONTINUOUS } else { COMPLETE };
            end.description = match report.uncovered.as_slice() {
                [] => text.to_owned(),
                uncovered => format!(
                    "{text} No advisory data is loaded{}. {LOAD}",
                    named(" for ", uncovered)
                ),
            };
            end.lacking_revision = (!report.uncovered.is_empty()).then_some(revision.unwrap_or(0));
            end.source_updated_at = report.source_updated_at.map(Timestamp::from_millis);
            for finding in &report.findings {
                let severity = finding.severity.as_model().as_str().to_owned();
                *end.severity_counts.entry(severity).or_default() += 1;
            }
        }
    }
    end
}

/// What a user can do about missing advisories.
const LOAD: &str = "The command `ecru advisories update` loads it, and the image is then scanned again.";

fn named(before: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("{before}{}", names.join(", "))
}
