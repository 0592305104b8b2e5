//! The `Authorization` header, parsed into credentials for the registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_registry::authorization::Credentials;
use http::{HeaderMap, HeaderValue, header};

/// Holds the decoded text that the credentials borrow.
pub(crate) enum Authorization {
    Absent,
    Unusable,
    Basic(String),
}

/// The text of the header; empty if the header is missing or sent twice.
pub(crate) fn presented(headers: &HeaderMap) -> &[u8] {
    only(headers).map_or(&[], HeaderValue::as_bytes)
}

fn only(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

impl Authorization {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::AUTHORIZATION) {
            return Self::Absent;
        }
        only(headers)
            .and_then(|value| value.to_str().ok())
            .and_then(basic)
            .map_or(Self::Unusable, Self::Basic)
    }

    pub(crate) fn credentials(&self) -> Credentials<'_> {
        match self {
            Self::Absent => Credentials::None,
            Self::Unusable => Credentials::Unusable,
            Self::Basic(decoded) => match decoded.split_once(':') {
                Some((user, password)) => Credentials::Basic { user, password },
                None => Credentials::Unusable,
            },
        }
    }
}

fn basic(value: &str) -> Option<String> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    // A password may have any bytes. One that is not UTF-8 cannot be a token, and development users may have
    // any password.
    let user = decoded.split(|byte| *byte == b':').next()?;
    std::str::from_utf8(user).ok()?;
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: Option<(&str, &str)>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let read = Authorization::read(&headers);
        let presented = if let [only] = values { only } else { "" };
        assert_eq!(super::presented(&headers), presented.as_bytes());
        match read.credentials() {
            Credentials::Basic { user, password } => assert_eq!(Some((user, password)), expected),
            _ => assert_eq!(None, expected, "{values:?}"),
        }
    }

    #[test]
    fn basic_credentials_are_cut_at_the_first_colon() {
        check(&["Basic QVdTOmE6Yg=="], Some(("AWS", "a:b")));
        check(&["basic dGVzdDp0ZXN0"], Some(("test", "test")));
        check(&["Basic Og=="], Some(("", "")));
        // The password is the byte ff.
        check(&["Basic dGVzdDr/"], Some(("test", "\u{fffd}")));
    }

    #[test]
    fn everything_else_is_unusable() {
        check(&[], None);
        check(&["Bearer QVdTOmE6Yg=="], None);
        check(&["Basic"], None);
        check(&["Basic !!!!"], None);
        check(&["Basic QVdT"], None);
        check(&["Basic /w=="], None);
        check(&["Basic dGVzdDp0ZXN0", "Basic dGVzdDp0ZXN0"], None);
    }
}
