//! `ListImageReferrers` and `GET /v2/<name>/referrers/<digest>`: the images whose subject is a digest.

use std::collections::HashSet;

use ecru_model::{
    Annotations, ArtifactStatus, ArtifactStatusFilter, Digest, ImageReferrer, ImageStatus,
    ListImageReferrersInput as Input, ListImageReferrersOutput as Output, RegistryId, RepositoryName,
};
use ecru_platform::paging::{Filling, Listing, PAGE_BYTES_MAX, ROW_BYTES, Room};
use ecru_platform::{Page, paging};
use ecru_store::{Snapshot, StoreError, Value, stored};
use serde::de::IgnoredAny;

use crate::records::repositories::{self, Repository};
use crate::stored_images::{Image, find};
use crate::{Context, Error, pull_through_cache};

const PAGE_DEFAULT: u32 = 20;

/// A referrer as the referrers API of `/v2/` reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    pub id: i64,
    pub digest: Digest,
    pub media_type: String,
    pub size: i64,
    pub artifact_type: Option<String>,
    pub annotations: Option<Annotations>,
    pub status: ImageStatus,
}

/// Selects the referrers to list.
#[derive(Debug, Clone)]
pub struct ReferrersOf {
    pub subject: Digest,
    /// Any of these types; empty means every type.
    pub artifact_types: Vec<String>,
    /// None means any status.
    pub status: Option<ImageStatus>,
}

pub async fn list_image_referrers(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("BatchGetImage", input.registry_id.as_ref());
    // ECR accepts a digest of an algorithm that is not stored here as well-formed; it has no referrers.
    let subject = Digest::parse(&input.subject_id.image_digest).ok();
    let wanted = subject.map(|subject| ReferrersOf::new(subject, input.filter));
    let limit = input
        .max_results
        .and_then(|given| u32::try_from(given).ok())
        .unwrap_or(PAGE_DEFAULT);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "ListImageReferrers",
        scope: &access.scope.clone(),
        of: input.repository_name.as_str(),
        filter: format!("{wanted:?}"),
    };
    let after = listing.integer_key(input.next_token.as_deref())?;

    let (name, here) = (input.repository_name.clone(), wanted.clone());
    let page = paging::read(&ctx.store, limit, move |at, room| {
        let repository = access.repository(at, &name)?;
        match &here {
            Some(wanted) => Ok::<_, Error>(page(at, &repository, wanted, after, room)?),
            None => Ok(Page {
                items: Vec::new(),
                next: None,
            }),
        }
    })
    .await?;

    let next_token = page.next.map(|id| listing.token(&id.to_be_bytes()));
    let mut referrers = page
        .items
        .into_iter()
        .map(ImageReferrer::from)
        .collect::<Vec<_>>();
    // Referrers on their way from upstream follow the stored ones, if all of these fit on one page.
    if let (Some(wanted), None, true) = (&wanted, &next_token, after == 0 && ctx.caching.is_on()) {
        let upstream = on_their_way(ctx, &input.repository_name, input.registry_id.as_ref(), wanted);
        add_those(&mut referrers, upstream.await?, limit);
    }
    Ok(Output {
        referrers: Some(referrers),
        next_token,
    })
}

/// Adds the upstream referrers for which the page has room. The others are listed once they are stored here.
fn add_those(referrers: &mut Vec<ImageReferrer>, upstream: Vec<ImageReferrer>, limit: u32) {
    let known = referrers
        .iter()
        .map(|referrer| referrer.digest.clone())
        .collect::<HashSet<_>>();
    let mut bytes = referrers.iter().map(text_bytes).sum::<usize>();
    let more = upstream
        .into_iter()
        .filter(|referrer| !known.contains(&referrer.digest))
        .take_while(|referrer| {
            bytes += text_bytes(referrer);
            bytes <= PAGE_BYTES_MAX
        });
    referrers.extend(more);
    referrers.truncate(limit as usize);
}

fn text_bytes(referrer: &ImageReferrer) -> usize {
    let annotations = referrer
        .annotations
        .as_ref()
        .map_or(0, |text| text.as_str().len());
    let artifact_type = referrer.artifact_type.as_ref().map_or(0, String::len);
    annotations + artifact_type + referrer.media_type.len() + ROW_BYTES
}

/// Referrers of a cached image that are not yet stored here.
async fn on_their_way(
    ctx: &Context,
    name: &RepositoryName,
    registry_id: Option<&RegistryId>,
    wanted: &ReferrersOf,
) -> Result<Vec<ImageReferrer>, Error> {
    if wanted.status.is_some_and(|status| status != ImageStatus::Active) {
        return Ok(Vec::new());
    }
    let scope = ctx.access("BatchGetImage", registry_id).scope;
    let is_here = ctx
        .store
        .read(|at| match repositories::find(at, &scope, name)? {
            Some(repository) => Ok::<_, Error>(find(at, &repository, &wanted.subject)?.is_some()),
            None => Ok(false),
        })
        .await?;
    let subject = (&wanted.subject, is_here);
    let mut found = pull_through_cache::list_upstream_referrers(ctx, registry_id, name, subject).await?;
    found.retain(|referrer| wanted.accepts_type(referrer.artifact_type.as_deref()));
    Ok(found)
}

/// At most `limit` referrers, from the one after the id `after`.
pub async fn list_referrers_of(
    ctx: &Context,
    repository: &RepositoryName,
    wanted: ReferrersOf,
    after: i64,
    limit: u32,
) -> Result<Page<Referrer, i64>, Error> {
    let access = ctx.access("BatchGetImage", None);
    let name = repository.clone();
    paging::read(&ctx.store, limit, move |at, room| {
        let repository = access.repository(at, &name)?;
        Ok(page(at, &repository, &wanted, after, room)?)
    })
    .await
}

/// Annotations may be as long as a manifest. Unless they are short, the annotations of a row are read only
/// when the page has room for them.
fn page(
    at: &Snapshot<'_>,
    repository: &Repository,
    wanted: &ReferrersOf,
    after: i64,
    room: &Room,
) -> Result<Page<Referrer, i64>, StoreError> {
    let mut long = Vec::new();
    let mut filling = Filling::new(room);
    at.each(
        "SELECT id, digest, status, pushed_at, size, manifest_size, media_type, artifact_media_type, subject,
                last_pulled_at, last_archived_at, last_activated_at, octet_length(annotations),
                CASE WHEN octet_length(annotations) <= 16384 THEN annotations END
         FROM images WHERE repository_id = ?1 AND subject = ?2 AND id > ?3 ORDER BY id",
        &[
            Value::Integer(repository.id),
            Value::Blob(wanted.subject.as_bytes()),
            Value::Integer(after),
        ],
        &mut |row| {
            let image = Image::from_row(row)?;
            let is_wanted = wanted.accepts(&image);
            let annotation_bytes = row.optional_integer(12)?.filter(|_| is_wanted);
            let bytes = image.text_bytes() + annotation_bytes.map_or(0, as_length);
            filling.put(image.id, bytes, || {
                if !is_wanted {
                    return Ok(None);
                }
                let annotations = annotations(row.optional_text(13)?)?;
                if annotation_bytes.is_some() && annotations.is_none() {
                    long.push(image.id);
                }
                Ok(Some(Referrer::of(image, annotations)))
            })
        },
    )?;
    let mut page = filling.page();
    let mut long = long.into_iter().peekable();
    for referrer in &mut page.items {
        if long.next_if_eq(&referrer.id).is_some() {
            referrer.annotations = annotations_of(at, referrer.id)?;
        }
    }
    Ok(page)
}

fn as_length(bytes: i64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn annotations_of(at: &Snapshot<'_>, image_id: i64) -> Result<Option<Annotations>, StoreError> {
    let found = at.find(
        "SELECT annotations FROM images WHERE id = ?1",
        &[Value::Integer(image_id)],
        |row| annotations(row.optional_text(0)?),
    )?;
    Ok(found.flatten())
}

/// The text as stored, scanned without being parsed.
fn annotations(text: Option<&str>) -> Result<Option<Annotations>, StoreError> {
    let Some(text) = text else { return Ok(None) };
    stored(serde_json::from_str::<IgnoredAny>(text))?;
    Ok(Some(Annotations::from_json(text.to_owned())))
}

impl ReferrersOf {
    /// The referrers that a client of `/v2/` can pull.
    pub fn pullable(subject: Digest, artifact_type: Option<&str>) -> Self {
        Self {
            subject,
            artifact_types: artifact_type.into_iter().map(str::to_owned).collect(),
            status: Some(ImageStatus::Active),
        }
    }

    fn new(subject: Digest, filter: Option<ecru_model::ListImageReferrersFilter>) -> Self {
        let filter = filter.unwrap_or_default();
        Self {
            subject,
            artifact_types: filter.artifact_types.unwrap_or_default(),
            status: match filter.artifact_status {
                Some(ArtifactStatusFilter::Active) | None => Some(ImageStatus::Active),
                Some(ArtifactStatusFilter::Archived) => Some(ImageStatus::Archived),
                Some(ArtifactStatusFilter::Activating) => Some(ImageStatus::Activating),
                Some(ArtifactStatusFilter::Any) => None,
            },
        }
    }

    fn accepts(&self, image: &Image) -> bool {
        self.accepts_type(image.artifact_media_type.as_deref())
            && self.status.is_none_or(|wanted| wanted == image.status)
    }
}

impl ReferrersOf {
    fn accepts_type(&self, artifact_type: Option<&str>) -> bool {
        let mut wanted = self.artifact_types.iter();
        self.artifact_types.is_empty() || wanted.any(|wanted| Some(wanted.as_str()) == artifact_type)
    }
}

impl Referrer {
    fn of(image: Image, annotations: Option<Annotations>) -> Self {
        Self {
            id: image.id,
            digest: image.digest,
            media_type: image.media_type,
            size: image.manifest_size,
            artifact_type: image.artifact_media_type,
            annotations,
            status: image.status,
        }
    }
}

impl From<Referrer> for ImageReferrer {
    fn from(referrer: Referrer) -> Self {
        Self {
            digest: referrer.digest.to_string(),
            media_type: referrer.media_type,
            artifact_type: referrer.artifact_type,
            size: referrer.size,
            annotations: referrer.annotations,
            artifact_status: Some(match referrer.status {
                ImageStatus::Active => ArtifactStatus::Active,
                ImageStatus::Archived => ArtifactStatus::Archived,
                ImageStatus::Activating => ArtifactStatus::Activating,
            }),
        }
    }
}
