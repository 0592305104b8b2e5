//! The tags of keys.

mod list_resource_tags;
mod tag_resource;
mod untag_resource;

use std::collections::BTreeMap;

use ecru_store::{Tx, Value};

use crate::Error;
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::Tag;
use crate::records::key::{Key, place};

pub(crate) use list_resource_tags::list_resource_tags;
pub(crate) use tag_resource::tag_resource;
pub(crate) use untag_resource::untag_resource;

const TAGS_MAX: i64 = 50;

/// Checks the tags of a request.
pub(crate) fn accept(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Error> {
    let count = tags.len();
    let accepted = tags
        .into_iter()
        .map(|tag| (tag.tag_key.into_string(), tag.tag_value.into_string()))
        .collect::<BTreeMap<_, _>>();
    if accepted.len() < count {
        return Err(refused(ErrorCode::TagException, "Duplicate tag keys"));
    }
    accepted.keys().try_for_each(|name| check_name(name))?;
    Ok(accepted)
}

fn check_name(name: &str) -> Result<(), Error> {
    let prefix = name.get(..4);
    if prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return Err(refused(
            ErrorCode::TagException,
            "Tags beginning with 'aws:' are reserved",
        ));
    }
    Ok(())
}

/// Adds tags to a key; those that are not named stay.
pub(crate) fn save(tx: &Tx<'_>, key: &Key, tags: &BTreeMap<String, String>) -> Result<(), Error> {
    let [account, region, id] = place(&key.scope, &key.id);
    for (name, value) in tags {
        tx.execute(
            "INSERT INTO kms_tags (account, region, key_id, name, value) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (account, region, key_id, name) DO UPDATE SET value = excluded.value",
            &[account, region, id, Value::from(name), Value::from(value)],
        )?;
    }
    let count = tx.find(
        "SELECT count(*) FROM kms_tags WHERE account = ?1 AND region = ?2 AND key_id = ?3",
        &[account, region, id],
        |row| row.integer(0),
    )?;
    if count.is_some_and(|count| count > TAGS_MAX) {
        return Err(refused(ErrorCode::LimitExceededException, "Too many tags"));
    }
    Ok(())
}
