//! `RegisterPullTimeUpdateExclusion`: from now on the pulls of a principal do not update pull times.

use ecru_model::{
    Arn, ErrorCode, PrincipalArn, RegisterPullTimeUpdateExclusionInput as Input,
    RegisterPullTimeUpdateExclusionOutput as Output, Scope,
};
use ecru_store::{Tx, Value};

use super::{HELD, key};
use crate::{Context, Error};

pub async fn register_pull_time_update_exclusion(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("RegisterPullTimeUpdateExclusion", None);
    let principal = input.principal_arn;
    let created_at = ctx.clock.now();
    let quotas = ctx.configuration.quotas;

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let scope = &access.scope;
            check_partition(scope, &principal)?;
            refuse_known(tx, scope, &principal)?;
            quotas.take(tx, scope, &HELD)?;
            let [account, region, arn] = key(scope, &principal);
            tx.execute(
                "INSERT INTO pull_time_exclusions (account, region, principal, created_at) VALUES (?1, ?2, ?3, ?4)",
                &[account, region, arn, Value::Integer(created_at.as_millis())],
            )?;
            Ok(Output {
                principal_arn: Some(principal.clone()),
                created_at: Some(created_at),
            })
        })
        .await
}

/// [unknown] ECR's wording.
fn check_partition(scope: &Scope, principal: &PrincipalArn) -> Result<(), Error> {
    let arn = Arn::parse(principal.as_str());
    if arn.is_some_and(|arn| arn.partition == scope.region.partition()) {
        return Ok(());
    }
    Err(Error::parameter(
        "principalArn",
        "The principal must be of the partition of the registry",
    ))
}

fn refuse_known(tx: &Tx<'_>, scope: &Scope, principal: &PrincipalArn) -> Result<(), Error> {
    let known = tx.find(
        "SELECT 1 FROM pull_time_exclusions WHERE account = ?1 AND region = ?2 AND principal = ?3",
        &key(scope, principal),
        |row| row.integer(0),
    )?;
    match known {
        None => Ok(()),
        // [unknown] ECR's wording.
        Some(_) => Err(Error::new(
            ErrorCode::ExclusionAlreadyExistsException,
            format!(
                "The pull time update exclusion for the principal '{principal}' already exists in the registry with id \
                 '{}'",
                scope.registry_id
            ),
        )),
    }
}
