//! `GET /v2/_catalog`: the names of a registry's repositories, in order.

use ecru_platform::Page;
use ecru_platform::paging::Room;

use crate::records::repositories::list;
use crate::{Context, Error};

pub async fn catalog(ctx: &Context, limit: u32, last: Option<&str>) -> Result<Page<String, String>, Error> {
    let access = ctx.access("DescribeRepositories", None);

    // A thousand repositories are small, so they are read in place.
    let page = ctx
        .store
        .read(|at| {
            access.every_repository(at)?;
            let room = Room::new(limit);
            Ok::<_, Error>(list(at, &access.scope, last.unwrap_or_default(), &room)?)
        })
        .await?;
    let names = page
        .items
        .iter()
        .map(|repository| repository.name.as_str().to_owned());

    Ok(Page {
        items: names.collect(),
        next: page.next,
    })
}
