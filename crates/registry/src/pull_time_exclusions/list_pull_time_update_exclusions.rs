//! `ListPullTimeUpdateExclusions`: the excluded principals, in the order of their ARNs.

use ecru_model::{
    ListPullTimeUpdateExclusionsInput as Input, ListPullTimeUpdateExclusionsOutput as Output, PrincipalArn,
};
use ecru_platform::paging;
use ecru_platform::paging::{Filling, Listing};
use ecru_store::{Value, stored};

use crate::{Context, Error};

pub async fn list_pull_time_update_exclusions(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("ListPullTimeUpdateExclusions", None);
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "ListPullTimeUpdateExclusions",
        scope: &access.scope.clone(),
        of: "",
        filter: String::new(),
    };
    let after = listing.text_key(input.next_token.as_deref())?;

    let page = paging::read(&ctx.store, limit, move |at, room| {
        access.registry(at)?;
        let scope = &access.scope;
        let mut filling = Filling::new(room);
        at.each(
            "SELECT principal FROM pull_time_exclusions WHERE account = ?1 AND region = ?2 AND principal > ?3
             ORDER BY principal LIMIT ?4",
            &[
                Value::Text(scope.registry_id.as_str()),
                Value::Text(scope.region.as_str()),
                Value::Text(&after),
                Value::Integer(i64::from(limit) + 1),
            ],
            &mut |row| {
                let principal = row.text(0)?;
                Ok(filling.push(principal.len(), stored(PrincipalArn::parse(principal))?))
            },
        )?;
        Ok::<_, Error>(filling.page_by(|last| last.as_str().to_owned()))
    })
    .await?;

    Ok(Output {
        next_token: page.next.map(|last| listing.token(last.as_bytes())),
        pull_time_update_exclusions: Some(page.items),
    })
}
