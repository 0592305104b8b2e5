//! The parsers of documents that clients send, opened for fuzzing: each checks what must hold of its result.

use ecru_model::Region;
use ecru_model::matches_wildcard;

use crate::access::{Holder, parse_incoming, parse_stored};
use crate::lifecycle_policy;
use crate::manifests::Manifest;

/// A manifest that is taken names its media type, and digests only; once stored it is read as it was taken.
pub fn manifest(bytes: &[u8], declared: Option<&str>) {
    if let Ok(manifest) = Manifest::accept(bytes, declared) {
        let same = |declared: &str| declared.to_ascii_lowercase().contains(&manifest.media_type);
        assert!(declared.is_none_or(same));
        let stored = Manifest::parse(bytes, Some(&manifest.media_type)).ok();
        assert_eq!(stored, Some(manifest));
    }
}

/// A policy that is taken is printed in a form that is taken, and printed the same; stored, it says the same.
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

/// A lifecycle policy that is taken is stored in a form that is taken, and stored the same.
pub fn lifecycle_policy(text: &str) {
    if let Ok(stored) = lifecycle_policy::accept(text) {
        let again = lifecycle_policy::accept(&stored).ok();
        assert_eq!(again.as_ref(), Some(&stored), "{text}");
    }
}

/// A pattern matches where the plain definition says so, in a table of all its places.
pub fn filter(pattern: &str, text: &str) {
    let (wanted, found) = (pattern.as_bytes(), text.as_bytes());
    // Whether what is left of the pattern matches what is left of the text, from the end on.
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
