//! Resource tags of repositories: their rows and their rules.

use std::collections::BTreeMap;

use ecru_model::{ErrorCode, Tag};
use ecru_store::{Snapshot, StoreError, Tx, Value};
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

use crate::Error;

const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;
const TAGS_MAX: usize = 50;

/// Checks the tags of a request. If a key occurs twice, its last value counts.
pub(crate) fn accept(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Error> {
    let accepted = tags
        .into_iter()
        .map(|tag| (tag.key, tag.value))
        .collect::<BTreeMap<_, _>>();
    for (key, value) in &accepted {
        check_key(key)?;
        let regular = key.chars().chain(value.chars()).all(is_regular);
        if !regular || value.chars().count() > VALUE_CHARACTERS_MAX {
            return Err(invalid_tag());
        }
    }
    check_count(accepted.len())?;
    Ok(accepted)
}

/// Letters, numbers and spaces of any script, and a few signs: `[\p{L}\p{N}\p{Z}_.:/=+\-@]`. Marks are
/// excluded, although some scripts write vowels with them.
fn is_regular(character: char) -> bool {
    const TAKEN: GeneralCategoryGroup = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::Separator);

    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    TAKEN.contains(category) || "_.:/=+-@".contains(character)
}

/// The rule for every key, including a key that an earlier version accepted and that can only be removed.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    let reserved = key
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"));
    let length = key.chars().count();
    if length == 0 || length > KEY_CHARACTERS_MAX || reserved || key.contains(char::is_control) {
        return Err(invalid_tag());
    }
    Ok(())
}

/// Adds tags to a repository; keys that are not named stay unchanged.
pub(crate) fn save(tx: &Tx<'_>, repository_id: i64, tags: &BTreeMap<String, String>) -> Result<(), Error> {
    for (key, value) in tags {
        tx.execute(
            "INSERT INTO resource_tags (repository_id, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (repository_id, key) DO UPDATE SET value = excluded.value",
            &[
                Value::Integer(repository_id),
                Value::Text(key),
                Value::Text(value),
            ],
        )?;
    }
    if !tags.is_empty() {
        check_count(list(tx, repository_id)?.len())?;
    }
    Ok(())
}

pub(crate) fn list(at: &Snapshot<'_>, repository_id: i64) -> Result<Vec<Tag>, StoreError> {
    at.query(
        "SELECT key, value FROM resource_tags WHERE repository_id = ?1 ORDER BY key",
        &[Value::Integer(repository_id)],
        |row| {
            Ok(Tag {
                key: row.text(0)?.to_owned(),
                value: row.text(1)?.to_owned(),
            })
        },
    )
}

fn check_count(count: usize) -> Result<(), Error> {
    if count <= TAGS_MAX {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::TooManyTagsException,
        format!(
            "The list of tags on the repository is over the limit. The maximum number of tags is {TAGS_MAX}"
        ),
    ))
}

fn invalid_tag() -> Error {
    Error::new(
        ErrorCode::InvalidTagParameterException,
        "Tag parameters are invalid",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, value: &str, taken: bool) {
        let tag = Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let refused = accept(vec![tag]).err().map(|error| error.code);
        let expected = (!taken).then_some(ErrorCode::InvalidTagParameterException);
        assert_eq!(refused, expected, "{key:?} {value:?}");
    }

    #[test]
    fn a_tag_has_letters_numbers_spaces_and_a_few_signs() {
        for text in [
            "team",
            "Größe",
            "命名",
            "中\u{2028}文\u{2029}",
            "ǅʰª",
            "\u{2160}",
            "\u{16ee}",
            "٣",
            "a b\u{a0}c\u{3000}d",
            "x_.:/=+-@1",
            "Ⅷ½²",
        ] {
            check(text, "v", true);
            check("k", text, true);
        }
        check("k", "", true);
        for text in [
            "a(b", "a)b", "a,b", "a;b", "a%b", "a&b", "a\"b", "a'b", "a*b", "a?b", "a#b", "a<b", "a\\b",
            "a\nb", "a\tb", "🚀", "a\u{0}",
        ] {
            check(text, "v", false);
            check("k", text, false);
        }
        // A mark, vowel signs, letters in circles and squares, controls, and an unassigned character.
        for text in [
            "\u{345}",
            "e\u{301}",
            "किताब",
            "\u{24d0}",
            "\u{24b6}",
            "\u{1f130}",
            "\u{85}",
            "\u{200b}",
            "\u{378}",
        ] {
            check(text, "v", false);
            check("k", text, false);
        }
        check("", "v", false);
        check("AWS:x", "v", false);
        check(&"k".repeat(128), &"v".repeat(256), true);
        check(&"k".repeat(129), "v", false);
        check("k", &"v".repeat(257), false);
    }
}
