//! Aliases: names of keys that can be moved to other keys.

mod create_alias;
mod delete_alias;
mod list_aliases;
mod update_alias;

use ecru_model::Scope;
use ecru_store::Value;

use crate::Error;
use crate::error::{invalid, refused};
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::AliasNameType;
use crate::records::key_name::ALIAS_PREFIX;

pub(crate) use create_alias::create_alias;
pub(crate) use delete_alias::delete_alias;
pub(crate) use list_aliases::list_aliases;
pub(crate) use update_alias::update_alias;

const RESERVED_PREFIX: &str = "alias/aws/";

/// Checks a name that a client sets or removes.
fn check_name(name: &AliasNameType) -> Result<(), Error> {
    let name = name.as_str();
    if name.starts_with(RESERVED_PREFIX) {
        return Err(refused(
            ErrorCode::InvalidAliasNameException,
            format!("Alias name must not begin with {RESERVED_PREFIX}, which is reserved for AWS"),
        ));
    }
    match name.strip_prefix(ALIAS_PREFIX) {
        Some(rest) if !rest.is_empty() && !rest.contains(':') => Ok(()),
        Some(_) => Err(refused(
            ErrorCode::InvalidAliasNameException,
            format!("{name} is not the name of an alias"),
        )),
        None => Err(invalid(
            "Alias must start with the prefix \"alias/\". Please see \
             https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        )),
    }
}

fn place<'a>(scope: &'a Scope, name: &'a AliasNameType) -> [Value<'a>; 3] {
    [scope.registry_id.as_str(), scope.region.as_str(), name.as_str()].map(Value::Text)
}
