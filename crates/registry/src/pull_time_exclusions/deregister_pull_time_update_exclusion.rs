//! `DeregisterPullTimeUpdateExclusion`: the pulls of a principal count again.

use ecru_model::{
    DeregisterPullTimeUpdateExclusionInput as Input, DeregisterPullTimeUpdateExclusionOutput as Output,
    ErrorCode, PrincipalArn, Scope,
};

use super::{HELD, key};
use crate::{Context, Error};

pub async fn deregister_pull_time_update_exclusion(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("DeregisterPullTimeUpdateExclusion", None);
    let principal = input.principal_arn;

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let scope = &access.scope;
            let removed = tx.execute(
                "DELETE FROM pull_time_exclusions WHERE account = ?1 AND region = ?2 AND principal = ?3",
                &key(scope, &principal),
            )?;
            if removed == 0 {
                return Err(not_found(scope, &principal));
            }
            HELD.give_back(tx, scope)?;
            Ok(Output {
                principal_arn: Some(principal.clone()),
            })
        })
        .await
}

/// [unknown] ECR's wording.
fn not_found(scope: &Scope, principal: &PrincipalArn) -> Error {
    Error::new(
        ErrorCode::ExclusionNotFoundException,
        format!(
            "The pull time update exclusion for the principal '{principal}' does not exist in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
