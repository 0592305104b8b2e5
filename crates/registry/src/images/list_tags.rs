//! `GET /v2/<name>/tags/list`: the tags of a repository in order.

use ecru_model::RepositoryName;
use ecru_platform::Page;
use ecru_platform::paging::{Filling, Room};
use ecru_store::Value;

use crate::{Context, Error};

pub async fn list_tags(
    ctx: &Context,
    repository: &RepositoryName,
    limit: u32,
    last: Option<&str>,
) -> Result<Page<String, String>, Error> {
    let access = ctx.access("ListImages", None);

    // A thousand tags are small, so they are read in place.
    ctx.store
        .read(|at| {
            let repository = access.repository(at, repository)?;
            let room = Room::new(limit);
            let mut filling = Filling::new(&room);
            at.each(
                "SELECT tag FROM tags WHERE repository_id = ?1 AND tag > ?2 ORDER BY tag LIMIT ?3",
                &[
                    Value::Integer(repository.id),
                    Value::Text(last.unwrap_or_default()),
                    Value::Integer(i64::from(limit) + 1),
                ],
                &mut |row| {
                    let tag = row.text(0)?;
                    Ok(filling.push(tag.len(), tag.to_owned()))
                },
            )?;
            Ok(filling.page_by(String::clone))
        })
        .await
}
