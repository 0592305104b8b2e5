//! The parameters of a query, percent-decoded once.

pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// `None` if the decoded bytes are not UTF-8.
    pub(super) fn parse(query: &str) -> Option<Query> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        decoded.collect::<Option<_>>().map(Query)
    }

    /// The first value with this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once_and_the_first_of_a_name_counts() {
        let query = Query::parse("repository=team%2Fa%2525&limit=1&limit=2&flag&x=a+b").expect("a query");
        assert_eq!(query.get("repository"), Some("team/a%25"));
        assert_eq!(
            (query.get("limit"), query.get("flag"), query.get("x")),
            (Some("1"), Some(""), Some("a b"))
        );
        assert_eq!(query.get("after"), None);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for query in ["a=%", "a=%4", "a=%zz", "a=%ff", "%c3=1"] {
            assert!(Query::parse(query).is_none(), "`{query}`");
        }
    }
}
