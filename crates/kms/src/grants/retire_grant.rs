//! `RetireGrant`: ends a grant, named by its token or by its key and id.

use ecru_store::{StoreError, Tx, Value};

use super::{not_found, remove};
use crate::error::{end_dry_run, invalid, refused};
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{RetireGrantInput as Input, RetireGrantOutput as Output};
use crate::{Context, Error};

pub(crate) async fn retire_grant(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("RetireGrant");
    ctx.store
        .write(move |tx| {
            let (name, grant_id) = match (&input.grant_token, &input.key_id, &input.grant_id) {
                (Some(token), None, None) => {
                    let found = find_by_token(tx, token.as_str())?;
                    found.ok_or_else(invalid_token)?
                }
                (None, Some(key), Some(grant)) => (key.as_str().to_owned(), grant.as_str().to_owned()),
                _ => {
                    return Err(invalid(
                        "A grant is named by its token alone, or by its key ID and grant ID",
                    ));
                }
            };
            let key = request.customer_key(tx, &name)?;
            if !remove(tx, &key, &grant_id)? {
                return Err(not_found(&grant_id));
            }
            // An error takes the removal back.
            end_dry_run(input.dry_run)?;
            Ok(Output {})
        })
        .await
}

/// The key and the id of a grant.
fn find_by_token(tx: &Tx<'_>, token: &str) -> Result<Option<(String, String)>, StoreError> {
    tx.find(
        "SELECT key_id, id FROM kms_grants WHERE token = ?1",
        &[Value::Text(token)],
        |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
    )
}

fn invalid_token() -> Error {
    refused(
        ErrorCode::InvalidGrantTokenException,
        "The grant token is invalid",
    )
}
