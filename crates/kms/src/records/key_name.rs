//! How requests name a key: by its id, its ARN, the name of an alias or the ARN of an alias.

use ecru_model::{Arn, Region, RegistryId, Scope, Timestamp};
use ecru_platform::ports::{DEFAULT_KEY_ALIAS, default_key_id};
use ecru_store::{Snapshot, StoreError, Value};
use uuid::Uuid;

use super::key;

/// The beginning of the name of every alias.
pub(crate) const ALIAS_PREFIX: &str = "alias/";
const MULTI_REGION_PREFIX: &str = "mrk-";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyName {
    Key(Scope, String),
    /// With the name of the alias as a whole.
    Alias(Scope, String),
}

impl KeyName {
    /// A name without an ARN means the account and region of `scope`. None for a text that names nothing.
    pub(crate) fn parse(scope: &Scope, text: &str) -> Option<Self> {
        if !text.starts_with("arn:") {
            return Self::of_parts(scope.clone(), text);
        }
        let arn = Arn::parse(text)?;
        let scope = Scope {
            registry_id: RegistryId::parse(arn.account).ok()?,
            region: Region::parse(arn.region).ok()?,
        };
        if arn.service != "kms" || arn.partition != scope.region.partition() {
            return None;
        }
        match arn.resource.strip_prefix("key/") {
            Some(id) => is_id(id).then(|| Self::Key(scope, id.to_owned())),
            None if arn.resource.starts_with(ALIAS_PREFIX) => Self::of_parts(scope, arn.resource),
            None => None,
        }
    }

    fn of_parts(scope: Scope, text: &str) -> Option<Self> {
        if text
            .strip_prefix(ALIAS_PREFIX)
            .is_some_and(|name| !name.is_empty())
        {
            return Some(Self::Alias(scope, text.to_owned()));
        }
        is_id(text).then(|| Self::Key(scope, text.to_owned()))
    }

    pub(crate) fn scope(&self) -> &Scope {
        match self {
            Self::Key(scope, _) | Self::Alias(scope, _) => scope,
        }
    }

    /// The id of the key, whether or not the key exists. None for an alias that does not exist.
    pub(crate) fn find_id(&self, at: &Snapshot<'_>) -> Result<Option<String>, StoreError> {
        match self {
            Self::Key(_, id) => Ok(Some(id.clone())),
            Self::Alias(scope, name) => find_target(at, scope, name),
        }
    }
}

/// Whether the text has the form of an id. No key of this service has an id for several regions.
fn is_id(text: &str) -> bool {
    if let Some(hex) = text.strip_prefix(MULTI_REGION_PREFIX) {
        return hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text.to_ascii_lowercase())
}

/// The id of the key that an alias means.
pub(crate) fn find_target(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &str,
) -> Result<Option<String>, StoreError> {
    if name == DEFAULT_KEY_ALIAS {
        return Ok(Some(default_key_id(scope)));
    }
    at.find(
        "SELECT key_id FROM kms_aliases WHERE account = ?1 AND region = ?2 AND name = ?3",
        &[scope.registry_id.as_str(), scope.region.as_str(), name].map(Value::Text),
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// Finds the key that a name means.
pub(crate) fn find_key(
    at: &Snapshot<'_>,
    name: &KeyName,
    now: Timestamp,
) -> Result<Option<key::Key>, StoreError> {
    match name.find_id(at)? {
        Some(id) => key::find(at, name.scope(), &id, now),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_in_four_ways() {
        let scope = Scope {
            registry_id: RegistryId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let other = Scope {
            registry_id: RegistryId::parse("111122223333").unwrap(),
            region: Region::parse("cn-north-1").unwrap(),
        };
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let key = |scope: &Scope, id: &str| Some(KeyName::Key(scope.clone(), id.to_owned()));
        let alias = |scope: &Scope, name: &str| Some(KeyName::Alias(scope.clone(), name.to_owned()));
        for (text, expected) in [
            (id.to_owned(), key(&scope, id)),
            (other.arn("kms", "key/", id), key(&other, id)),
            ("alias/team/a".to_owned(), alias(&scope, "alias/team/a")),
            (other.arn("kms", "", "alias/a"), alias(&other, "alias/a")),
            (
                "mrk-1234abcd12ab34cd56ef1234567890ab".to_owned(),
                key(&scope, "mrk-1234abcd12ab34cd56ef1234567890ab"),
            ),
            ("alias/".to_owned(), None),
            ("fake-key-id".to_owned(), None),
            ("mrk-fake-key-id".to_owned(), None),
            ("1234abcd12ab34cd56ef1234567890ab".to_owned(), None),
            (other.arn("s3", "key/", id), None),
            (other.arn("kms", "key/", "x"), None),
            (format!("arn:aws:kms:cn-north-1:111122223333:key/{id}"), None),
            (String::new(), None),
        ] {
            assert_eq!(KeyName::parse(&scope, &text), expected, "{text}");
        }
    }
}
