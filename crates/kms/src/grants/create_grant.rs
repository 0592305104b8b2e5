//! `CreateGrant`: records a grant, and returns its id and its token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_store::{StoreError, Tx, Value, stored};

use super::Terms;
use crate::error::{end_dry_run, invalid, missing};
use crate::generated::shapes::{
    CreateGrantInput as Input, CreateGrantOutput as Output, GrantIdType, GrantOperation as Operation,
    GrantTokenType, KeyUsageType,
};
use crate::hex::hex;
use crate::records::key::{Key, place};
use crate::{Context, Error};

pub(crate) async fn create_grant(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("CreateGrant");
    let id: [u8; 32] = ctx.random.bytes()?;
    let id = hex(&id);
    let secret: [u8; 96] = ctx.random.bytes()?;
    let token = STANDARD.encode(secret);
    let (name, operations) = (input.key_id, input.operations);
    let terms = Terms {
        name: input.name.map(|name| name.as_str().to_owned()),
        grantee: input
            .grantee_principal
            .map(|principal| principal.as_str().to_owned()),
        grantee_service: input
            .grantee_service_principal
            .map(|service| service.as_str().to_owned()),
        retiring: input
            .retiring_principal
            .map(|principal| principal.as_str().to_owned()),
        retiring_service: input
            .retiring_service_principal
            .map(|service| service.as_str().to_owned()),
        issuing_account: ctx.scope.iam_arn("root"),
        operations: operations
            .iter()
            .map(|operation| operation.as_str().to_owned())
            .collect(),
        constraints: input.constraints.map(Into::into),
    };
    if terms.grantee.is_none() && terms.grantee_service.is_none() {
        return Err(missing("granteePrincipal"));
    }
    let text = serde_json::to_string(&terms)
        .map_err(|error| Error::internal("a grant cannot be written").caused_by(error))?;
    let (is_named, dry_run) = (terms.name.is_some(), input.dry_run);
    ctx.store
        .write(move |tx| {
            let key = request.customer_key(tx, name.as_str())?;
            key.check_usable()?;
            check_operations(&key, &operations)?;
            end_dry_run(dry_run)?;
            // A request that is repeated with its name makes no second grant.
            let present = if is_named {
                find_same(tx, &key, &text)?
            } else {
                None
            };
            let (id, token) = if let Some(present) = present {
                present
            } else {
                insert(tx, &key, [&id, &token, &text], request.now.as_millis())?;
                (id.clone(), token.clone())
            };
            Ok(Output {
                grant_token: Some(stored(GrantTokenType::parse(token))?),
                grant_id: Some(stored(GrantIdType::parse(id))?),
            })
        })
        .await
}

/// A grant can only be about what its key can do.
fn check_operations(key: &Key, operations: &[Operation]) -> Result<(), Error> {
    let fits = |operation: &Operation| match operation {
        Operation::CreateGrant | Operation::RetireGrant | Operation::DescribeKey => true,
        Operation::Sign | Operation::Verify => key.usage == KeyUsageType::SignVerify,
        Operation::GetPublicKey => !key.is_symmetric(),
        Operation::Encrypt | Operation::Decrypt | Operation::ReEncryptFrom | Operation::ReEncryptTo => {
            key.usage == KeyUsageType::EncryptDecrypt
        }
        Operation::GenerateDataKey
        | Operation::GenerateDataKeyWithoutPlaintext
        | Operation::GenerateDataKeyPair
        | Operation::GenerateDataKeyPairWithoutPlaintext => key.is_symmetric(),
        _ => false,
    };
    match operations.iter().find(|operation| !fits(operation)) {
        None if operations.is_empty() => Err(invalid("A grant needs at least one operation")),
        None => Ok(()),
        Some(operation) => Err(invalid(format!(
            "The operation {} is not one of a key of spec {} and usage {}",
            operation.as_str(),
            key.spec.as_str(),
            key.usage.as_str()
        ))),
    }
}

fn find_same(tx: &Tx<'_>, key: &Key, terms: &str) -> Result<Option<(String, String)>, StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    tx.find(
        "SELECT id, token FROM kms_grants WHERE account = ?1 AND region = ?2 AND key_id = ?3 AND terms = ?4",
        &[account, region, id, Value::Text(terms)],
        |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
    )
}

fn insert(
    tx: &Tx<'_>,
    key: &Key,
    [grant_id, token, terms]: [&String; 3],
    now: i64,
) -> Result<(), StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    tx.execute(
        "INSERT INTO kms_grants (account, region, key_id, id, token, created_at, terms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            account,
            region,
            id,
            Value::from(grant_id),
            Value::from(token),
            Value::Integer(now),
            Value::from(terms),
        ],
    )?;
    Ok(())
}
