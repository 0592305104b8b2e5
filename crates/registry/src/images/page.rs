//! A page of a repository's images in the order of their ids, each with its tags, at the cost of the page.

use std::ops::ControlFlow;

use ecru_model::{ImageStatus, ImageStatusFilter, ImageTag, TagStatus};
use ecru_platform::Page;
use ecru_platform::paging::{Filling, Room};
use ecru_store::{Snapshot, StoreError, Value, stored};

use crate::records::repositories::Repository;
use crate::stored_images::Image;

/// The cost of a tag beside its text.
const TAG_BYTES: usize = 32;

/// Selects the images of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accept {
    tagged: Option<bool>,
    status: Option<ImageStatus>,
}

impl Accept {
    /// Only active images, unless the filter asks for others.
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

    /// The text that binds a token to this filter.
    pub(super) fn key(self) -> String {
        format!("{:?} {:?}", self.tagged, self.status.map(ImageStatus::as_str))
    }
}

/// A page of images that a list reads.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) accept: Accept,
    /// The id after which the page begins.
    pub(super) after: i64,
    /// The number of tags, of all images but the first, after which no more are read.
    pub(super) tags_max: usize,
}

pub(super) type ImagePage = Page<(Image, Vec<ImageTag>), i64>;

pub(super) fn page(
    at: &Snapshot<'_>,
    repository: &Repository,
    wanted: Wanted,
    room: &Room,
) -> Result<ImagePage, StoreError> {
    let Wanted { accept, after, .. } = wanted;
    let mut examined = 0;
    let mut filling = Filling::new(room);
    at.each(
        "SELECT id, digest, status, pushed_at, size, manifest_size, media_type, artifact_media_type, subject,
                last_pulled_at, last_archived_at, last_activated_at, tagged
         FROM images WHERE repository_id = ?1 AND id > ?2 ORDER BY id",
        &[Value::Integer(repository.id), Value::Integer(after)],
        &mut |row| {
            let image = Image::from_row(row)?;
            let tagged = row.boolean(12)?;
            examined += 1;
            filling.put(image.id, image.text_bytes(), || {
                Ok(accept.accepts(&image, tagged).then(|| (image, Vec::new())))
            })
        },
    )?;
    let mut page = filling.page();
    examined -= usize::from(page.next.is_some());
    if accept.tagged != Some(false) {
        let is_gapless = examined == page.items.len();
        add_tags(at, repository, (wanted, is_gapless, room), &mut page)?;
    }
    Ok(page)
}

/// Adds the tags to each image; both come in the same order. The page ends before an image whose tags do not
/// fit, unless it is the first one.
fn add_tags(
    at: &Snapshot<'_>,
    repository: &Repository,
    (wanted, is_gapless, room): (Wanted, bool, &Room),
    page: &mut ImagePage,
) -> Result<(), StoreError> {
    let Some(last) = page.items.last().map(|(image, _)| image.id) else {
        return Ok(());
    };
    // Skips the tags of images that the filter rejects.
    let ranges = if is_gapless {
        vec![(wanted.after, last)]
    } else {
        page.items
            .iter()
            .map(|(image, _)| (image.id - 1, image.id))
            .collect()
    };
    let mut place = 0;
    let mut of_others = 0;
    let mut end = None;
    for (after, last) in ranges {
        if end.is_some() || of_others > wanted.tags_max {
            break;
        }
        at.each(
            "SELECT image_id, tag FROM tags WHERE repository_id = ?1 AND image_id > ?2 AND image_id <= ?3
             ORDER BY image_id, tag",
            &[repository.id, after, last].map(Value::Integer),
            &mut |row| {
                let (image_id, tag) = (row.integer(0)?, row.text(1)?);
                while page
                    .items
                    .get(place)
                    .is_some_and(|(image, _)| image.id < image_id)
                {
                    place += 1;
                }
                let Some((_, tags)) = page
                    .items
                    .get_mut(place)
                    .filter(|(image, _)| image.id == image_id)
                else {
                    return Ok(ControlFlow::Continue(()));
                };
                of_others += usize::from(place > 0);
                if of_others > wanted.tags_max {
                    return Ok(ControlFlow::Break(()));
                }
                if !room.take(tag.len() + TAG_BYTES) && place > 0 {
                    end = Some(place);
                    return Ok(ControlFlow::Break(()));
                }
                tags.push(stored(ImageTag::parse(tag))?);
                Ok(ControlFlow::Continue(()))
            },
        )?;
    }
    if let Some(end) = end {
        page.items.truncate(end);
        page.next = page.items.last().map(|(image, _)| image.id);
    }
    Ok(())
}
