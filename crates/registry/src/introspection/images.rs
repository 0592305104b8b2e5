//! Lists every image, or the images of all repositories of one name.

use ecru_model::{Digest, RepositoryName, Timestamp};
use ecru_platform::paging::{Extent, Filling};
use ecru_platform::{Page, paging};
use ecru_store::{Row, Snapshot, StoreError, Value, stored};

use crate::scoped_name::ScopedName;
use crate::{Error, Service};

#[derive(Clone, Debug)]
pub struct ImageSummary {
    pub id: i64,
    pub place: ScopedName,
    pub digest: Digest,
    pub tags: Vec<String>,
    pub size_bytes: i64,
    pub manifest_media_type: String,
    pub pushed_at: Timestamp,
    repository_id: i64,
}

const LIST: &str =
    "SELECT i.id, r.account, r.region, r.name, i.digest, i.size, i.media_type, i.pushed_at, i.repository_id
    FROM images i JOIN repositories r ON r.id = i.repository_id
    WHERE i.id > ?1 AND r.deleted = 0 ORDER BY i.id LIMIT ?2";

const LIST_OF_NAME: &str =
    "SELECT i.id, r.account, r.region, r.name, i.digest, i.size, i.media_type, i.pushed_at, i.repository_id
    FROM images i JOIN repositories r ON r.id = i.repository_id
    WHERE i.repository_id IN (SELECT id FROM repositories WHERE name = ?3 AND deleted = 0)
        AND i.id > ?1 ORDER BY i.id LIMIT ?2";

/// The cost of a tag beside its text.
const TAG_BYTES: usize = 32;

const TAGS: &str = "SELECT tag FROM tags WHERE repository_id = ?1 AND image_id = ?2 ORDER BY tag";

pub async fn list_images(
    service: &Service,
    repository_name: Option<RepositoryName>,
    extent: Extent,
) -> Result<Page<ImageSummary, i64>, Error> {
    paging::read_elsewhere(&service.store, extent.limit, move |at, room| {
        let [after, limit] = extent.values();
        let mut filling = Filling::new(room);
        let mut put = |row: &Row<'_>| {
            let mut image = from_row(row)?;
            image.tags = tags(at, &image)?;
            let tags = image.tags.iter().map(|tag| tag.len() + TAG_BYTES).sum::<usize>();
            let bytes = image.place.text_bytes() + image.manifest_media_type.len() + tags;
            filling.put(image.id, bytes, || Ok(Some(image)))
        };
        match &repository_name {
            Some(name) => at.each(
                LIST_OF_NAME,
                &[after, limit, Value::Text(name.as_str())],
                &mut put,
            )?,
            None => at.each(LIST, &[after, limit], &mut put)?,
        }
        Ok(filling.page())
    })
    .await
}

fn from_row(row: &Row<'_>) -> Result<ImageSummary, StoreError> {
    Ok(ImageSummary {
        id: row.integer(0)?,
        place: ScopedName::from_row(row, 1)?,
        digest: stored(Digest::from_bytes(row.blob(4)?))?,
        tags: Vec::new(),
        size_bytes: row.integer(5)?,
        manifest_media_type: row.text(6)?.to_owned(),
        pushed_at: Timestamp::from_millis(row.integer(7)?),
        repository_id: row.integer(8)?,
    })
}

fn tags(at: &Snapshot<'_>, image: &ImageSummary) -> Result<Vec<String>, StoreError> {
    let key = [Value::Integer(image.repository_id), Value::Integer(image.id)];
    at.query(TAGS, &key, |row| Ok(row.text(0)?.to_owned()))
}
