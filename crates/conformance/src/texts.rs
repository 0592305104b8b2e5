//! Texts and lists of a given length, where the shape allows them.

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::facts::{Facts, Kind, Shape, describes};

/// A text with this number of characters. If `right` is false, only its length may be invalid.
pub(crate) fn of_length(shape: &Shape, sample: &str, length: usize, right: bool) -> Result<Option<String>> {
    let mut candidates = Vec::new();
    // The text of a document is known only during the run, which pads it with blanks.
    if let Some(name) = document(sample) {
        return Ok((length > SHORT_DOCUMENT).then(|| format!("${{{name}:{length}}}")));
    }
    if !sample.contains("${") && sample.is_ascii() {
        let longer = sample.chars().chain(std::iter::repeat('q'));
        candidates.push(longer.take(length).collect::<String>());
    }
    candidates.extend(of_account(sample, length));
    candidates.extend(["q", "1"].map(|unit| unit.repeat(length)));
    for candidate in &candidates {
        if describes(shape, candidate)? {
            return Ok(Some(candidate.clone()));
        }
    }
    Ok(candidates.into_iter().next().filter(|_| !right))
}

/// A longer version of a text with the account's number, which is known only during the run, such as a role's
/// ARN.
fn of_account(sample: &str, length: usize) -> Option<String> {
    const ACCOUNT: &str = "${account}";
    let around = sample.replace(ACCOUNT, "");
    let accounts = sample.matches(ACCOUNT).count();
    if accounts == 0 || around.contains("${") {
        return None;
    }
    let missing = length.checked_sub(around.chars().count() + accounts * ACCOUNT_CHARACTERS)?;
    Some(format!("{sample}{}", "q".repeat(missing)))
}

const ACCOUNT_CHARACTERS: usize = 12;

/// Documents are never shortened, so a text of at most this length is not made.
const SHORT_DOCUMENT: usize = 1_000;

fn document(sample: &str) -> Option<&str> {
    let name = sample.strip_prefix("${")?.strip_suffix('}')?;
    (name.ends_with("policy") || name.ends_with("manifest")).then_some(name)
}

/// A text of an allowed length that does not match the pattern.
pub(crate) fn against_pattern(shape: &Shape) -> Result<Option<String>> {
    let length = usize::try_from(shape.min.unwrap_or(1).max(1))?;
    let text = "!".repeat(length);
    Ok((shape.pattern.is_some() && !describes(shape, &text)?).then_some(text))
}

pub(crate) fn base64_of_length(bytes: usize) -> String {
    BASE64_STANDARD.encode(vec![0; bytes])
}

/// A list of `count` elements like the first, each different if its shape allows that.
pub(crate) fn distinct(facts: &Facts, element: &str, first: &Value, count: usize) -> Result<Vec<Value>> {
    (0..count)
        .map(|number| {
            let mut value = first.clone();
            if number > 0 {
                vary(facts, element, &mut value, number)?;
            }
            Ok(value)
        })
        .collect()
}

fn vary(facts: &Facts, shape: &str, value: &mut Value, number: usize) -> Result<bool> {
    let shape = facts.shape(shape)?;
    match value {
        Value::String(text) if shape.kind == Kind::String && shape.values.is_empty() => {
            if text == "${account}" {
                *text = format!("{number:012}");
                return Ok(true);
            }
            let shorter = text.get(..text.len().saturating_sub(4)).unwrap_or_default();
            let candidates = [
                format!("{text}{number}"),
                format!("{shorter}{number:04}"),
                format!("{number:012}"),
            ];
            for candidate in candidates {
                if describes(shape, &candidate)? || candidate.contains("${") {
                    *text = candidate;
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Object(members) => {
            for member in &shape.members {
                if let Some(value) = members.get_mut(&member.name)
                    && vary(facts, &member.shape, value, number)?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Array(elements) => {
            let (Some(first), Some(element)) = (elements.first_mut(), &shape.member) else {
                return Ok(false);
            };
            vary(facts, element, first, number)
        }
        _ => Ok(false),
    }
}
