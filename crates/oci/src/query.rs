//! The query of a request: its values by name, decoded once.

use std::borrow::Cow;

use crate::path;

/// The decoded pairs of a query; the ones asked for are few, so they are looked for in place.
pub(crate) struct Query<'q> {
    pairs: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Query<'q> {
    /// `None` where a name or a value is not decodable.
    pub(crate) fn parse(query: Option<&'q str>) -> Option<Query<'q>> {
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((path::decode(name)?, path::decode(value)?))
            })
            .collect::<Option<_>>()?;
        Some(Query { pairs })
    }

    /// The first value of a name; an empty one counts as absent.
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

/// A value written into a query of ours: everything but what needs no encoding is encoded.
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
        let query = Query::parse(Some("tag=a&n=5&tag=b&digest=sha256%3Aab&empty=&flag&x=a+b")).unwrap();
        assert_eq!(query.find("n"), Some("5"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.find("digest"), Some("sha256:ab"));
        assert_eq!(query.find("empty"), None);
        assert_eq!(query.find("flag"), None);
        assert_eq!(query.find("x"), Some("a+b"));
        assert!(Query::parse(None).unwrap().find("n").is_none());
    }

    #[test]
    fn a_query_that_cannot_be_decoded_is_none() {
        assert!(Query::parse(Some("n=%zz")).is_none());
        assert!(Query::parse(Some("last=%00")).is_none());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_found_again(value in "[^\\p{Cc}]{1,40}") {
            let query = format!("last={}", encode(&value));
            let query = Query::parse(Some(&query)).unwrap();
            prop_assert_eq!(query.find("last"), Some(value.as_str()));
        }
    }
}
