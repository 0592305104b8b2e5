//! `ListPullTimeUpdateExclusions`: the excluded principals, in the order of their ARNs.

use ecru_model::{
    ListPullTimeUpdateExclusionsInput as Input, ListPullTimeUpdateExclusionsOutput as Output, PrincipalArn,
};
use ecru_store::Value;

use crate::context::Wanted;
use crate::paging::{self, Listing};
use crate::repositories::stored;
use crate::{Context, Error};

pub async fn list_pull_time_update_exclusions(ctx: &Context, input: Input) -> Result<Output, Error> {
    let scope = ctx.registry(None, Wanted::on_registry("ListPullTimeUpdateExclusions"))?;
    let limit = paging::limit(input.max_results);
    let listing = Listing {
        keys: &ctx.keys,
        operation: "ListPullTimeUpdateExclusions",
        scope: &scope,
        repository: "",
        filter: String::new(),
    };
    let after = listing.text_key(input.next_token.as_deref())?;

    let found = ctx.store.read(|at| {
        at.query(
            "SELECT principal FROM pull_time_exclusions WHERE account = ?1 AND region = ?2 AND principal > ?3
             ORDER BY principal LIMIT ?4",
            &[
                Value::Text(scope.registry_id.as_str()),
                Value::Text(scope.region.as_str()),
                Value::Text(&after),
                Value::Integer(i64::from(limit) + 1),
            ],
            |row| stored(PrincipalArn::parse(row.text(0)?)),
        )
    });
    let (exclusions, last) = paging::cut(found.map_err(Error::from)?, limit);

    Ok(Output {
        next_token: last.map(|last| listing.token(last.as_str().as_bytes())),
        pull_time_update_exclusions: Some(exclusions),
    })
}
