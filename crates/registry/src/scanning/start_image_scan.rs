//! `StartImageScan`: scans an image now, once in 24 hours.

use std::sync::Arc;

use ecru_model::{
    ErrorCode, ImageIdentifier, ImageScanStatus, ImageStatus, RepositoryName, ScanStatus, ScanType,
    StartImageScanInput as Input, StartImageScanOutput as Output, Timestamp,
};
use ecru_store::Snapshot;

use super::configuration::Configuration;
use super::record::Scan;
use super::request::request;
use super::{answered_id, is_scannable, record};
use crate::access::Access;
use crate::records::repositories::Repository;
use crate::stored_images::{self, Image};
use crate::{Context, Error, Service};

const SCAN_EVERY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;

pub async fn start_image_scan(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("StartImageScan", input.registry_id.as_ref());
    let now = access.now();
    let Input {
        repository_name: name,
        image_id: id,
        ..
    } = input;
    let lacking = ctx
        .store
        .read(|at| {
            let (_, image) = load_scannable(at, &access, &name, &id)?;
            let scan = record::find(at, image.id, ScanType::Basic)?;
            Ok::<_, Error>(scan.is_some_and(|scan| scan.lacking_revision.is_some()))
        })
        .await?;
    let revision = if lacking {
        advisories_revision(&ctx.service).await?
    } else {
        None
    };

    ctx.store
        .write(move |tx| {
            let (repository, image) = load_scannable(tx, &access, &name, &id)?;
            let before = record::find(tx, image.id, ScanType::Basic)?;
            if before.is_some_and(|before| uses_up_the_quota(&before, revision, now)) {
                return Err(quota_exceeded());
            }
            request(tx, &repository, (image.id, &image.digest), ScanType::Basic, now)?;

            Ok(Output {
                registry_id: Some(access.scope.registry_id.clone()),
                repository_name: Some(name.clone()),
                image_id: Some(answered_id(&image, &id)),
                image_scan_status: Some(ImageScanStatus {
                    status: Some(ScanStatus::InProgress),
                    description: None,
                }),
            })
        })
        .await
}

/// [unknown] whether ECR counts failed scans. Here a scan that lacked advisories does not count once others
/// are loaded, nor does a scan that was repeated for this reason. Every other scan counts.
fn uses_up_the_quota(before: &Scan, revision: Option<i64>, now: Timestamp) -> bool {
    let age = now.as_millis().saturating_sub(before.requested_at.as_millis());
    !before.lacks_others_than(revision) && age < SCAN_EVERY_MILLISECONDS
}

async fn advisories_revision(service: &Arc<Service>) -> Result<Option<i64>, Error> {
    let Some(scanner) = service.ports.scanner.clone() else {
        return Ok(None);
    };
    let revision = tokio::task::spawn_blocking(move || scanner.revision()).await;
    let revision = revision.map_err(|panic| Error::server("the scanner panicked").caused_by(panic))?;
    let failed = |problem| {
        Error::server("The advisories cannot be read because of a server-side issue").caused_by(problem)
    };
    revision.map(Some).map_err(failed)
}

fn load_scannable(
    at: &Snapshot<'_>,
    access: &Access,
    name: &RepositoryName,
    id: &ImageIdentifier,
) -> Result<(Repository, Image), Error> {
    let repository = access.repository(at, name)?;
    if Configuration::find(at, &access.scope)?.scan_type() == ScanType::Enhanced {
        return Err(Error::new(
            ErrorCode::ValidationException,
            "This feature is disabled",
        ));
    }
    let image = stored_images::load(at, &repository, id)?;
    if image.status != ImageStatus::Active {
        return Err(archived(&repository, &image));
    }
    if !is_scannable(&image.media_type, image.artifact_media_type.as_deref()) {
        return Err(unsupported(&repository, &image));
    }
    Ok((repository, image))
}

fn quota_exceeded() -> Error {
    Error::new(
        ErrorCode::LimitExceededException,
        "The scan quota per image has been exceeded. Wait and try again.",
    )
}

/// [unknown] ECR's wording, here and in the next function.
fn unsupported(repository: &Repository, image: &Image) -> Error {
    Error::new(
        ErrorCode::UnsupportedImageTypeException,
        format!(
            "The image with digest '{}' in the repository with name '{}' in the registry with id '{}' is of the type \
             '{}', which cannot be scanned",
            image.digest, repository.name, repository.scope.registry_id, image.media_type
        ),
    )
}

fn archived(repository: &Repository, image: &Image) -> Error {
    Error::new(
        ErrorCode::ImageArchivedException,
        format!(
            "The image with digest '{}' in the repository with name '{}' in the registry with id '{}' is archived",
            image.digest, repository.name, repository.scope.registry_id
        ),
    )
}
