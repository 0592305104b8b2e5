//! The tags of a session.

use std::collections::{BTreeMap, BTreeSet};

use ecru_model::{Session, SessionDetails};

use crate::Error;
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{Tag, TagKeyType};

/// Puts the tags of a request into the details. Transitive tags of the calling session pass on, and cannot be set again.
pub(crate) fn add(
    details: &mut SessionDetails,
    tags: Option<Vec<Tag>>,
    transitive: Option<Vec<TagKeyType>>,
    calling: Option<&Session>,
) -> Result<(), Error> {
    let mut keys = BTreeSet::new();
    let inherited = inherited(calling);
    for tag in tags.unwrap_or_default() {
        let key = tag.key.as_str().to_owned();
        if !keys.insert(key.to_lowercase()) {
            return Err(invalid_tags(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        if inherited
            .keys()
            .any(|held| held.to_lowercase() == key.to_lowercase())
        {
            return Err(invalid_tags(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
            ));
        }
        details.tags.insert(key, tag.value.as_str().to_owned());
    }
    for key in transitive.unwrap_or_default() {
        if !keys.contains(&key.as_str().to_lowercase()) {
            return Err(invalid_tags(
                "The specified transitive tag key must be included in the requested tags.",
            ));
        }
        details.transitive_tag_keys.push(key.as_str().to_owned());
    }
    details.transitive_tag_keys.extend(inherited.keys().cloned());
    details.tags.extend(inherited);
    Ok(())
}

/// The transitive tags of the calling session.
fn inherited(calling: Option<&Session>) -> BTreeMap<String, String> {
    let Some(session) = calling else {
        return BTreeMap::new();
    };
    let SessionDetails {
        tags,
        transitive_tag_keys,
        ..
    } = &session.details;
    let is_transitive = |key: &str| {
        let mut keys = transitive_tag_keys.iter();
        keys.any(|transitive| transitive.to_lowercase() == key.to_lowercase())
    };
    let inherited = tags.iter().filter(|(key, _)| is_transitive(key));
    inherited
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn invalid_tags(message: &str) -> Error {
    refused(ErrorCode::InvalidParameterValue, message)
}
