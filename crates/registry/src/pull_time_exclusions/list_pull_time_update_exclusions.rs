//! `ListPullTimeUpdateExclusions`: the excluded principals, in the order of their ARNs.

use ecru_model::{
    ListPullTimeUpdateExclusionsInput as Input, ListPullTimeUpdateExclusionsOutput as Output, PrincipalArn,
};
use ecru_store::Value;

use crate::paging::{self, Listing};
use crate::repositories::stored;
use crate::{Context, Error};

pub async fn list_pull_time_update_exclusions(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("ListPullTimeUpdateExclusions", None);
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "ListPullTimeUpdateExclusions",
        scope: &access.scope,
        repository: "",
        filter: String::new(),
    };
    let after = listing.text_key(input.next_token.as_deref())?;

    let found = ctx.store.read(|at| {
        access.registry(at)?;
        let scope = &access.scope;
        let found = at.query(
            "SELECT principal FROM pull_time_exclusions WHERE account = ?1 AND region = ?2 AND principal > ?3
             ORDER BY principal LIMIT ?4",
            &[
                Value::Text(scope.registry_id.as_str()),
                Value::Text(scope.region.as_str()),
                Value::Text(&after),
                Value::Integer(i64::from(limit) + 1),
            ],
            |row| stored(PrincipalArn::parse(row.text(0)?)),
        )?;
        Ok::<_, Error>(found)
    })?;
    let (exclusions, last) = paging::cut(found, limit);

    Ok(Output {
        next_token: last.map(|last| listing.token(last.as_str().as_bytes())),
        pull_time_update_exclusions: Some(exclusions),
    })
}
