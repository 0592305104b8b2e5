//! `ListImages`: a page of image ids, one for each tag, and one for each image without a tag.

use ecru_model::{ImageIdentifier, ListImagesInput as Input, ListImagesOutput as Output};
use ecru_platform::paging;
use ecru_platform::paging::Listing;
use ecru_platform::paging::PagingError;

use super::page::Accept;
use super::page::ImagePage;
use super::page::Wanted;
use super::page::page;
use crate::stored_images::identifier;
use crate::{Context, Error};

pub async fn list_images(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("ListImages", input.registry_id.as_ref());
    let filter = input.filter.unwrap_or_default();
    let accept = Accept::new(filter.tag_status, filter.image_status);
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "ListImages",
        scope: &access.scope.clone(),
        of: input.repository_name.as_str(),
        filter: accept.key(),
    };
    let after = input
        .next_token
        .as_deref()
        .map(|token| Key::read(&listing, token))
        .transpose()?;

    let name = input.repository_name.clone();
    let wanted = Wanted {
        accept,
        after: after.as_ref().map_or(0, Key::image_before),
        // One more shows that there are more. The tags of the first image may precede the page, so they do not count.
        tags_max: limit as usize,
    };
    let found = paging::read(&ctx.store, limit, move |at, room| {
        let repository = access.repository(at, &name)?;
        Ok::<_, Error>(page(at, &repository, wanted, room)?)
    })
    .await?;

    let (ids, next) = entries(&found, after.as_ref(), limit as usize);
    let next_token = next.map(|key| listing.token(&key.bytes()));
    Ok(Output {
        image_ids: Some(ids),
        next_token,
    })
}

/// The end of a page: at a tag of an image, or after a whole image.
struct Key {
    image_id: i64,
    tag: String,
}

impl Key {
    fn read(listing: &Listing<'_>, token: &str) -> Result<Self, Error> {
        let bytes = listing.key(token)?;
        let (image_id, tag) = bytes.split_first_chunk::<8>().ok_or(PagingError::NotOurs)?;
        let tag = String::from_utf8(tag.to_vec()).map_err(|_| PagingError::NotOurs)?;
        Ok(Self {
            image_id: i64::from_be_bytes(*image_id),
            tag,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.image_id.to_be_bytes(), self.tag.as_bytes()].concat()
    }

    /// The id after which images are read again: the image at the key may have more tags.
    fn image_before(&self) -> i64 {
        if self.tag.is_empty() {
            self.image_id
        } else {
            self.image_id - 1
        }
    }
}

fn entries(found: &ImagePage, after: Option<&Key>, limit: usize) -> (Vec<ImageIdentifier>, Option<Key>) {
    let mut ids = Vec::with_capacity(limit);
    let mut reached = None;
    let ended = |(image_id, tag): (i64, &str)| Key {
        image_id,
        tag: tag.to_owned(),
    };
    for (image, tags) in &found.items {
        let resumed = after
            .filter(|key| key.image_id == image.id)
            .map(|key| key.tag.as_str());
        if tags.is_empty() && resumed.is_none() {
            if ids.len() == limit {
                return (ids, reached.map(ended));
            }
            ids.push(identifier(&image.digest, None));
            reached = Some((image.id, ""));
        }
        for tag in tags
            .iter()
            .filter(|tag| resumed.is_none_or(|last| tag.as_str() > last))
        {
            if ids.len() == limit {
                return (ids, reached.map(ended));
            }
            ids.push(identifier(&image.digest, Some(tag.as_str())));
            reached = Some((image.id, tag.as_str()));
        }
    }
    (ids, found.next.map(|image_id| ended((image_id, ""))))
}
