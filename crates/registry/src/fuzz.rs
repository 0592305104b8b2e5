//! The parsers of documents that clients send, exposed for fuzzing: each function checks the properties that a result must have.

use ecru_model::Region;
use ecru_model::matches_wildcard;

use crate::access::{Holder, parse_incoming, parse_stored};
use crate::lifecycle_policy;
use crate::manifests::Manifest;

/// An accepted manifest names its media type, and references others only by digest. Once stored, it is read
/// as it was accepted.
pub fn manifest(bytes: &[u8], declared: Option<&str>) {
    if let Ok(manifest) = Manifest::accept(bytes, declared) {
        let same = |declared: &str| declared.to_ascii_lowercase().contains(&manifest.media_type);
        assert!(declared.is_none_or(same));
        let stored = Manifest::parse(bytes, Some(&manifest.media_type)).ok();
        assert_eq!(stored, Some(manifest));
    }
}

/// The printed form of an accepted policy is accepted too, prints the same, and means the same when stored.
pub fn policy(text: &str) {
    let Ok(region) = Region::parse("us-east-1") else {
        return;
    };
    for holder in [Holder::Repository, Holder::Registry] {
        let Some((policy, printed)) = parse_incoming(text, holder, &region) else {
            continue;
        };
        let again = parse_incoming(&printed, holder, &region).map(|(_, text)| text);
        assert_eq!(again.as_ref(), Some(&printed), "{text}");
        assert_eq!(parse_stored(&printed), Some(policy), "{text}");
    }
}

/// The stored form of a lifecycle policy is accepted too, and is stored unchanged.
pub fn lifecycle_policy(text: &str) {
    if let Ok(stored) = lifecycle_policy::accept(text) {
        let again = lifecycle_policy::accept(&stored).ok();
        assert_eq!(again.as_ref(), Some(&stored), "{text}");
    }
}

/// A pattern matches exactly where the plain definition says so, which is computed in a table of all
/// positions.
pub fn filter(pattern: &str, text: &str) {
    let (wanted, found) = (pattern.as_bytes(), text.as_bytes());
    // Whether the rest of the pattern matches the rest of the text, computed from the end.
    let mut row = vec![false; found.len() + 1];
    if let Some(last) = row.last_mut() {
        *last = true;
    }
    for &piece in wanted.iter().rev() {
        let behind = row.clone();
        let mut matched = false;
        for place in (0..=found.len()).rev() {
            let now = behind.get(place).copied().unwrap_or(false);
            let next = behind.get(place + 1).copied().unwrap_or(false);
            matched = match piece {
                b'*' => now || matched,
                other => next && found.get(place) == Some(&other),
            };
            if let Some(place) = row.get_mut(place) {
                *place = matched;
            }
        }
    }
    let expected = row.first().copied().unwrap_or(false);
    assert_eq!(matches_wildcard(pattern, text), expected, "{pattern} {text}");
}
