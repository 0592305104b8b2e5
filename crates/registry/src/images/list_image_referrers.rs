//! `ListImageReferrers` and `GET /v2/<name>/referrers/<digest>`: the images whose subject is a digest.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use ecru_model::{
    ArtifactStatus, ArtifactStatusFilter, Digest, ImageReferrer, ImageStatus,
    ListImageReferrersInput as Input, ListImageReferrersOutput as Output, RegistryId, RepositoryName,
};
use ecru_store::{Snapshot, StoreError, Value};

use super::page::ROWS_EXAMINED_PER_ROW;
use super::{Image, annotations_of, find};
use crate::paging::Listing;
use crate::repositories::Repository;
use crate::{Context, Error, Page, pull_through_cache, repositories};

const PAGE_DEFAULT: u32 = 20;

/// What the referrers API of `/v2/` says of one referrer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    pub id: i64,
    pub digest: Digest,
    pub media_type: String,
    pub size: i64,
    pub artifact_type: Option<String>,
    pub annotations: Option<BTreeMap<String, String>>,
    pub status: ImageStatus,
}

/// Which referrers are listed.
#[derive(Debug, Clone)]
pub struct ReferrersOf {
    pub subject: Digest,
    /// Any of these; every type where there are none.
    pub artifact_types: Vec<String>,
    /// Any status where none is named.
    pub status: Option<ImageStatus>,
}

pub async fn list_image_referrers(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("BatchGetImage", input.registry_id.as_ref());
    // A digest of an algorithm that is not stored here is well-formed for ECR, and has no referrers.
    let subject = Digest::parse(&input.subject_id.image_digest).ok();
    let wanted = subject.map(|subject| ReferrersOf::new(subject, input.filter));
    let limit = input
        .max_results
        .and_then(|given| u32::try_from(given).ok())
        .unwrap_or(PAGE_DEFAULT);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "ListImageReferrers",
        scope: &access.scope,
        repository: input.repository_name.as_str(),
        filter: format!("{wanted:?}"),
    };
    let after = listing.integer_key(input.next_token.as_deref())?;

    let page = ctx.store.read(|at| {
        let repository = access.repository(at, &input.repository_name)?;
        match &wanted {
            Some(wanted) => Ok::<_, Error>(page(at, &repository, wanted, after, limit)?),
            None => Ok(Page {
                items: Vec::new(),
                next: None,
            }),
        }
    })?;

    let next_token = page.next.map(|id| listing.token(&id.to_be_bytes()));
    let mut referrers = page
        .items
        .into_iter()
        .map(ImageReferrer::from)
        .collect::<Vec<_>>();
    // What is on its way follows what is here, on the one page there is.
    if let (Some(wanted), None, true) = (&wanted, &next_token, after == 0 && ctx.caching.is_on()) {
        let upstream = on_their_way(ctx, &input.repository_name, input.registry_id.as_ref(), wanted);
        let known = referrers
            .iter()
            .map(|referrer| referrer.digest.clone())
            .collect::<HashSet<_>>();
        let more = upstream
            .await?
            .into_iter()
            .filter(|referrer| !known.contains(&referrer.digest));
        referrers.extend(more);
        referrers.truncate(limit as usize);
    }
    Ok(Output {
        referrers: Some(referrers),
        next_token,
    })
}

/// Referrers of a cached image that are not here yet.
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
    let is_here = ctx.store.read(|at| match repositories::find(at, &scope, name)? {
        Some(repository) => Ok::<_, Error>(find(at, &repository, &wanted.subject)?.is_some()),
        None => Ok(false),
    })?;
    let subject = (&wanted.subject, is_here);
    let mut found = pull_through_cache::list_upstream_referrers(ctx, registry_id, name, subject).await?;
    found.retain(|referrer| wanted.accepts_type(referrer.artifact_type.as_deref()));
    Ok(found)
}

/// At most `limit` referrers, from the one after the id `after`.
pub fn list_referrers_of(
    ctx: &Context,
    repository: &RepositoryName,
    wanted: &ReferrersOf,
    after: i64,
    limit: u32,
) -> Result<Page<Referrer, i64>, Error> {
    let access = ctx.access("BatchGetImage", None);
    ctx.store.read(|at| {
        let repository = access.repository(at, repository)?;
        Ok(page(at, &repository, wanted, after, limit)?)
    })
}

fn page(
    at: &Snapshot<'_>,
    repository: &Repository,
    wanted: &ReferrersOf,
    after: i64,
    limit: u32,
) -> Result<Page<Referrer, i64>, StoreError> {
    let rows_max = limit.saturating_mul(ROWS_EXAMINED_PER_ROW);
    let mut items = Vec::new();
    let mut examined = 0;
    let mut reached = after;
    let mut next = None;
    at.each(
        "SELECT id, digest, status, pushed_at, size, manifest_size, media_type, artifact_media_type, subject,
                last_pulled_at, last_archived_at, last_activated_at, annotations
         FROM images WHERE repository_id = ?1 AND subject = ?2 AND id > ?3 ORDER BY id",
        &[
            Value::Integer(repository.id),
            Value::Blob(wanted.subject.as_bytes()),
            Value::Integer(after),
        ],
        &mut |row| {
            if items.len() == limit as usize || examined == rows_max {
                next = Some(reached);
                return Ok(ControlFlow::Break(()));
            }
            let image = Image::from_row(row)?;
            reached = image.id;
            examined += 1;
            if wanted.accepts(&image) {
                items.push(Referrer::of(image, annotations_of(row.optional_text(12)?)?));
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(Page { items, next })
}

impl ReferrersOf {
    /// Those that a client of `/v2/` can pull.
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
    fn of(image: Image, annotations: Option<BTreeMap<String, String>>) -> Self {
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
