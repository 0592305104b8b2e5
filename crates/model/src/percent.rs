//! Percent-encoding of addresses and forms, decoded once.

use std::borrow::Cow;

/// Decodes a percent-encoded text. Returns `None` if it is malformed or not UTF-8.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digits = str::from_utf8(digits)
            .ok()
            .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Decodes a value of a form or a query, where a plus means a space.
pub fn decode_form(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let text = text.replace('+', " ");
        return decode(&text).map(|decoded| Cow::Owned(decoded.into_owned()));
    }
    decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once_and_pluses_in_forms_alone() {
        assert_eq!(decode("a%2Bb+c").as_deref(), Some("a+b+c"));
        assert_eq!(decode_form("a%2Bb+c").as_deref(), Some("a+b c"));
        assert_eq!(decode("%252F").as_deref(), Some("%2F"));
        for malformed in ["%", "%2", "%2g", "%ff"] {
            assert_eq!(decode(malformed), None, "{malformed}");
        }
    }
}
