//! `CreateAlias`: gives a key a further name.

use ecru_store::Value;

use super::{check_name, place};
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{CreateAliasInput as Input, CreateAliasOutput as Output};
use crate::{Context, Error};

pub(crate) async fn create_alias(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("CreateAlias");
    check_name(&input.alias_name)?;
    ctx.store
        .write(move |tx| {
            let key = request.customer_key(tx, input.target_key_id.as_str())?;
            key.check_not_pending_deletion()?;
            let [account, region, name] = place(&request.scope, &input.alias_name);
            let inserted = tx.execute(
                "INSERT INTO kms_aliases (account, region, name, key_id, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT (account, region, name) DO NOTHING",
                &[
                    account,
                    region,
                    name,
                    Value::from(&key.id),
                    Value::Integer(request.now.as_millis()),
                ],
            )?;
            if inserted == 0 {
                let arn = request.scope.arn("kms", "", input.alias_name.as_str());
                return Err(refused(
                    ErrorCode::AlreadyExistsException,
                    format!("An alias with the name {arn} already exists"),
                ));
            }
            Ok(Output {})
        })
        .await
}
