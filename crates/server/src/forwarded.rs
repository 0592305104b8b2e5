//! The scheme that a client used for the proxy in front of this server.

use ecru_registry::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, header};

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The scheme that a proxy reports. It affects only the addresses in answers to this client. Of several
/// proxies, the first in the list is the one that the client connected to.
pub(crate) fn scheme(headers: &HeaderMap) -> Option<Scheme> {
    let text = |name| headers.get(name).map(HeaderValue::to_str)?.ok();
    let given = text(FORWARDED_PROTO).and_then(|list| parse(list.split(',').next()?));
    given.or_else(|| {
        let mut parameters = text(header::FORWARDED)?.split([',', ';']);
        parameters.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_scheme = name.trim().eq_ignore_ascii_case("proto");
            is_scheme.then(|| parse(value.trim().trim_matches('"')))?
        })
    })
}

fn parse(scheme: &str) -> Option<Scheme> {
    match scheme.trim() {
        scheme if scheme.eq_ignore_ascii_case("https") => Some(Scheme::Https),
        scheme if scheme.eq_ignore_ascii_case("http") => Some(Scheme::Http),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[(&'static str, &str)], expected: Option<Scheme>) {
        let headers = lines.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (HeaderName::from_static(name), value)
        });
        assert_eq!(scheme(&headers.collect()), expected, "{lines:?}");
    }

    #[test]
    fn the_first_proxy_says_how_it_was_asked() {
        let (http, https) = (Some(Scheme::Http), Some(Scheme::Https));
        check(&[], None);
        check(&[("x-forwarded-proto", "https")], https);
        check(&[("x-forwarded-proto", " HTTPS , http")], https);
        check(&[("x-forwarded-proto", "http")], http);
        check(&[("x-forwarded-proto", "wss")], None);
        check(&[("forwarded", "proto=https")], https);
        check(
            &[(
                "forwarded",
                "for=192.0.2.1;Proto=\"https\";by=x, for=a;proto=http",
            )],
            https,
        );
        check(&[("forwarded", "for=192.0.2.1")], None);
        check(
            &[("x-forwarded-proto", "https"), ("forwarded", "proto=http")],
            https,
        );
        check(&[("x-forwarded-proto", ""), ("forwarded", "proto=https")], https);
    }
}
