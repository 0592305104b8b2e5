//! `GET /v2/<name>/tags/list`: the tags of a repository in order.

use ecru_model::RepositoryName;
use ecru_store::Value;

use crate::{Context, Error, Page};

pub fn list_tags(
    ctx: &Context,
    repository: &RepositoryName,
    limit: u32,
    last: Option<&str>,
) -> Result<Page<String, String>, Error> {
    let access = ctx.access("ListImages", None);

    let tags = ctx.store.read(|at| {
        let repository = access.repository(at, repository)?;
        Ok::<_, Error>(at.query(
            "SELECT tag FROM tags WHERE repository_id = ?1 AND tag > ?2 ORDER BY tag LIMIT ?3",
            &[
                Value::Integer(repository.id),
                Value::Text(last.unwrap_or_default()),
                Value::Integer(i64::from(limit) + 1),
            ],
            |row| Ok(row.text(0)?.to_owned()),
        )?)
    })?;
    Ok(Page::cut(tags, limit, String::clone))
}
