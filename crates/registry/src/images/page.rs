//! A page of a repository's images in the order of their ids, each with its tags, at the cost of the page.

use std::ops::ControlFlow;

use ecru_model::{ImageStatus, ImageStatusFilter, ImageTag, TagStatus};
use ecru_store::{Snapshot, StoreError, Value};

use super::Image;
use crate::repositories::{Repository, stored};

/// A filter that few images pass gives a short page with a token, rather than a walk over all of them.
pub(super) const ROWS_EXAMINED_PER_ROW: u32 = 10;

/// Which images a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accept {
    tagged: Option<bool>,
    status: Option<ImageStatus>,
}

impl Accept {
    /// Only active images unless the filter asks for others.
    pub(super) fn new(tags: Option<TagStatus>, status: Option<ImageStatusFilter>) -> Self {
        Self {
            tagged: match tags {
                Some(TagStatus::Tagged) => Some(true),
                Some(TagStatus::Untagged) => Some(false),
                Some(TagStatus::Any) | None => None,
            },
            status: match status {
                Some(ImageStatusFilter::Active) | None => Some(ImageStatus::Active),
                Some(ImageStatusFilter::Archived) => Some(ImageStatus::Archived),
                Some(ImageStatusFilter::Activating) => Some(ImageStatus::Activating),
                Some(ImageStatusFilter::Any) => None,
            },
        }
    }

    fn accepts(self, image: &Image, tagged: bool) -> bool {
        self.tagged.is_none_or(|wanted| wanted == tagged)
            && self.status.is_none_or(|wanted| wanted == image.status)
    }

    /// Names the filter in a token, which is good for this filter only.
    pub(super) fn key(self) -> String {
        format!("{:?} {:?}", self.tagged, self.status.map(ImageStatus::as_str))
    }
}

pub(super) struct ImagePage {
    pub(super) images: Vec<(Image, Vec<ImageTag>)>,
    /// The id after which the next page begins.
    pub(super) next: Option<i64>,
}

pub(super) fn page(
    at: &Snapshot<'_>,
    repository: &Repository,
    accept: Accept,
    after: i64,
    limit: u32,
) -> Result<ImagePage, StoreError> {
    let mut page = examine(at, repository, accept, after, limit)?;
    add_tags(at, repository, after, &mut page.images)?;
    Ok(page)
}

fn examine(
    at: &Snapshot<'_>,
    repository: &Repository,
    accept: Accept,
    after: i64,
    limit: u32,
) -> Result<ImagePage, StoreError> {
    let rows_max = i64::from(limit) * i64::from(ROWS_EXAMINED_PER_ROW);
    let mut images = Vec::with_capacity(limit as usize);
    let mut examined = 0;
    let mut reached = after;
    let mut next = None;
    at.each(
        "SELECT id, digest, status, pushed_at, size, manifest_size, media_type, artifact_media_type, subject,
                last_pulled_at, last_archived_at, last_activated_at, tagged
         FROM images WHERE repository_id = ?1 AND id > ?2 ORDER BY id",
        &[Value::Integer(repository.id), Value::Integer(after)],
        &mut |row| {
            if images.len() == limit as usize || examined == rows_max {
                next = Some(reached);
                return Ok(ControlFlow::Break(()));
            }
            let image = Image::from_row(row)?;
            examined += 1;
            reached = image.id;
            if accept.accepts(&image, row.boolean(12)?) {
                images.push((image, Vec::new()));
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(ImagePage { images, next })
}

/// Gives each image its tags, which come in the order of the images.
fn add_tags(
    at: &Snapshot<'_>,
    repository: &Repository,
    after: i64,
    images: &mut [(Image, Vec<ImageTag>)],
) -> Result<(), StoreError> {
    let last = images.last().map_or(after, |(image, _)| image.id);
    let mut images = images.iter_mut();
    let mut current = images.next();
    at.each(
        "SELECT image_id, tag FROM tags WHERE repository_id = ?1 AND image_id > ?2 AND image_id <= ?3
         ORDER BY image_id, tag",
        &[repository.id, after, last].map(Value::Integer),
        &mut |row| {
            let image_id = row.integer(0)?;
            while current.as_ref().is_some_and(|(image, _)| image.id < image_id) {
                current = images.next();
            }
            if let Some((image, tags)) = &mut current
                && image.id == image_id
            {
                tags.push(stored(ImageTag::parse(row.text(1)?))?);
            }
            Ok(ControlFlow::Continue(()))
        },
    )
}
