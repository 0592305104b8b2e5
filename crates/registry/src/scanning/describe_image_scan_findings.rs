//! `DescribeImageScanFindings`: the status of an image's scan, and a page of its findings.

use ecru_model::{
    DescribeImageScanFindingsInput as Input, DescribeImageScanFindingsOutput as Output, ImageScanFindings,
    ImageScanStatus, ImageStatus, ScanStatus, ScanType,
};
use ecru_platform::paging;
use ecru_platform::paging::{Listing, Room};
use ecru_store::Snapshot;

use super::configuration::Configuration;
use super::record::{self, Scan};
use super::shapes::{Found, basic, enhanced};
use super::{answered_id, scan_not_found, sweep};
use crate::records::repositories::Repository;
use crate::stored_images::{self, Image, tags_of};
use crate::{Context, Error};

/// The cost of a tag beside its text.
const TAG_BYTES: usize = 32;

pub async fn describe_image_scan_findings(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeImageScanFindings", input.registry_id.as_ref());
    let limit = paging::limit(input.max_results);

    let ctx = ctx.clone();
    let store = ctx.store.clone();
    paging::read(&store, limit, move |at, room| {
        let repository = access.repository(at, &input.repository_name)?;
        let image = stored_images::load(at, &repository, &input.image_id)?;
        let configuration = Configuration::find(at, &access.scope)?;
        let scan = record::find(at, image.id, configuration.scan_type())?;
        let listing = Listing {
            keys: &ctx.keys,
            operation: "DescribeImageScanFindings",
            scope: &access.scope,
            of: repository.name.as_str(),
            // A repeated scan has its findings at other positions.
            filter: format!(
                "{} {:?}",
                image.digest,
                scan.as_ref().map(|scan| (scan.id, scan.generation))
            ),
        };
        let after = listing.integer_key(input.next_token.as_deref())?;
        let mut output = Output {
            registry_id: Some(access.scope.registry_id.clone()),
            repository_name: Some(repository.name.clone()),
            image_id: Some(answered_id(&image, &input.image_id)),
            ..Output::default()
        };
        if image.status != ImageStatus::Active {
            output.image_scan_status = Some(status(ScanStatus::ImageArchived));
            return Ok(output);
        }
        if let Some(scan) = scan {
            output.image_scan_status = Some(scan.describe_status());
            if let Some(mut findings) = completed(&scan) {
                let next = fill(at, (&repository, &image, &scan), (after, room), &mut findings)?;
                output.next_token = next.map(|position| listing.token(&position.to_be_bytes()));
                output.image_scan_findings = Some(findings);
            }
            return Ok(output);
        }
        let standing = sweep::standing(&configuration, &repository, &image)
            .ok_or_else(|| scan_not_found(&repository, &image, &input.image_id))?;
        output.image_scan_status = Some(status(standing));
        Ok(output)
    })
    .await
}

fn status(status: ScanStatus) -> ImageScanStatus {
    ImageScanStatus {
        status: Some(status),
        description: None,
    }
}

/// The part that every page repeats. None while a scan is under way or has failed, even if an earlier one succeeded.
fn completed(scan: &Scan) -> Option<ImageScanFindings> {
    matches!(scan.status, ScanStatus::Complete | ScanStatus::Active).then(|| ImageScanFindings {
        image_scan_completed_at: scan.completed_at,
        vulnerability_source_updated_at: scan.source_updated_at,
        finding_severity_counts: Some(scan.describe_counts()),
        ..ImageScanFindings::default()
    })
}

/// Adds a page of findings, and returns where the next page begins. Each enhanced finding names all tags of the image.
fn fill(
    at: &Snapshot<'_>,
    (repository, image, scan): (&Repository, &Image, &Scan),
    (after, room): (i64, &Room),
    findings: &mut ImageScanFindings,
) -> Result<Option<i64>, Error> {
    if scan.kind == ScanType::Basic {
        let page = record::findings(at, scan, after, (room, 0))?;
        findings.findings = Some(page.items.into_iter().map(basic).collect());
        return Ok(page.next);
    }
    let of = Found {
        repository,
        image,
        tags: tags_of(at, repository, image.id)?,
        scan,
    };
    let tag_bytes = of.tags.iter().map(|tag| tag.as_str().len() + TAG_BYTES).sum();
    let page = record::findings(at, scan, after, (room, tag_bytes))?;
    // A scan without findings reports an empty list for both types of scanning.
    findings.findings = page.items.is_empty().then(Vec::new);
    let described = page.items.into_iter().map(|finding| enhanced(&of, finding));
    findings.enhanced_findings = Some(described.collect());
    Ok(page.next)
}
