//! A request for a key: who asks, where, when and for which operation.

use ecru_model::{Scope, Timestamp};
use ecru_store::Snapshot;

use super::key::{self, Key};
use super::key_name::{KeyName, find_key};
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::{Context, Error};

/// What an operation moves into the closures that read and write.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) scope: Scope,
    pub(crate) operation: &'static str,
    pub(crate) now: Timestamp,
    caller: String,
}

impl Context {
    pub(crate) fn request(&self, operation: &'static str) -> Request {
        Request {
            scope: self.scope.clone(),
            operation,
            now: self.clock.now(),
            caller: self.caller.name().to_owned(),
        }
    }
}

impl Request {
    /// Loads the key that an id, an alias or an ARN of either names.
    pub(crate) fn key(&self, at: &Snapshot<'_>, name: &str) -> Result<Key, Error> {
        let name = self.parse(name)?;
        if let Some(key) = find_key(at, &name, self.now)? {
            return Ok(key);
        }
        Err(match (&name, name.find_id(at)?) {
            (KeyName::Alias(scope, alias), None) => alias_not_found(scope, alias),
            (_, id) => key::not_found(name.scope(), &id.unwrap_or_default()),
        })
    }

    /// As `key`, for operations that take no alias.
    pub(crate) fn key_by_id(&self, at: &Snapshot<'_>, name: &str) -> Result<Key, Error> {
        match self.parse(name)? {
            KeyName::Key(..) => self.key(at, name),
            KeyName::Alias(..) => Err(bad_name(name)),
        }
    }

    /// As `key_by_id`, for operations on keys that customers manage.
    pub(crate) fn customer_key(&self, at: &Snapshot<'_>, name: &str) -> Result<Key, Error> {
        let key = self.key_by_id(at, name)?;
        if !key.managed {
            return Ok(key);
        }
        // The policy of a managed key allows it to nobody.
        let action = format!("kms:{}", self.operation);
        Err(self.denied(
            &key.arn(),
            &format!("because no resource-based policy allows the {action} action"),
        ))
    }

    /// Reads a name. Keys are used in their own account and region.
    fn parse(&self, text: &str) -> Result<KeyName, Error> {
        let name = KeyName::parse(&self.scope, text).ok_or_else(|| bad_name(text))?;
        let scope = name.scope();
        if scope.region != self.scope.region {
            return Err(refused(
                ErrorCode::NotFoundException,
                format!("Invalid arn {}", scope.region),
            ));
        }
        if scope.registry_id != self.scope.registry_id {
            return Err(self.denied(
                text,
                "because the resource does not exist in this Region, no resource-based policies allow access, or a \
                 resource-based policy explicitly denies access",
            ));
        }
        Ok(name)
    }

    fn denied(&self, arn: &str, why: &str) -> Error {
        refused(
            ErrorCode::AccessDeniedException,
            format!(
                "User: {} is not authorized to perform: kms:{} on resource: {arn} {why}",
                self.caller, self.operation
            ),
        )
    }
}

fn bad_name(text: &str) -> Error {
    refused(ErrorCode::NotFoundException, format!("Invalid keyId '{text}'"))
}

pub(crate) fn alias_not_found(scope: &Scope, name: &str) -> Error {
    refused(
        ErrorCode::NotFoundException,
        format!("Alias {} is not found.", scope.arn("kms", "", name)),
    )
}
