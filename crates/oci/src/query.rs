//! The query of a request: its values by name, decoded once.
//!
//! A value that cannot be decoded is kept undecoded, and fails only the requests that need it: no name,
//! digest, tag or number contains its `%`.

use std::borrow::Cow;

use crate::path;

/// The decoded pairs of a query. Few are requested, so they are searched in place.
pub(crate) struct Query<'q> {
    pairs: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Query<'q> {
    pub(crate) fn parse(query: Option<&'q str>) -> Query<'q> {
        let decoded = |text: &'q str| path::decode(text).unwrap_or(Cow::Borrowed(text));
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(name), decoded(value))
            })
            .collect();
        Query { pairs }
    }

    /// The first value of a name; an empty value counts as absent.
    pub(crate) fn find(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_ref())
    }
}

/// Encodes a value for a query: all characters except those that never need it.
pub(crate) fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b':') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded
                    .extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_found_by_name() {
        let query = Query::parse(Some("tag=a&n=5&tag=b&digest=sha256%3Aab&empty=&flag&x=a+b"));
        assert_eq!(query.find("n"), Some("5"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.find("digest"), Some("sha256:ab"));
        assert_eq!(query.find("empty"), None);
        assert_eq!(query.find("flag"), None);
        assert_eq!(query.find("x"), Some("a+b"));
        assert!(Query::parse(None).find("n").is_none());
    }

    #[test]
    fn a_value_that_cannot_be_decoded_stays_as_it_came() {
        let query = Query::parse(Some("n=%zz&last=%00&from=%ff%fe&%ff=x&tag=%61"));
        assert_eq!(query.find("n"), Some("%zz"));
        assert_eq!(query.find("last"), Some("%00"));
        assert_eq!(query.find("from"), Some("%ff%fe"));
        assert_eq!(query.find("tag"), Some("a"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_found_again(value in "[^\\p{Cc}]{1,40}") {
            let query = format!("last={}", encode(&value));
            let query = Query::parse(Some(&query));
            prop_assert_eq!(query.find("last"), Some(value.as_str()));
        }
    }
}
