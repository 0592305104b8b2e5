//! The authority that a request was sent to, `host[:port]`, parsed by a strict grammar.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{Request, Version, header};

const HOST_BYTES_MAX: usize = 253;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    text: String,
    host_length: usize,
}

/// The host: a name or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    Name(&'a str),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Authority {
    /// Parses and lower-cases the text. `None` for user information, an empty host, an invalid port or other
    /// characters.
    pub(crate) fn parse(text: &str) -> Option<Authority> {
        let host_length = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at_checked(host_length)?;
        if !(is_name(host) || is_v6(host)) || !is_port(port) {
            return None;
        }
        Some(Authority {
            text: text.to_ascii_lowercase(),
            host_length,
        })
    }

    /// The authority that the request names. `None` unless it names exactly one, as HTTP/1.1 requires. Health
    /// checks of load balancers use HTTP/1.0 without a host; their authority is the address that they
    /// connected to.
    pub(crate) fn of_request<B>(request: &Request<B>, local: SocketAddr) -> Option<Authority> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let (host, second) = (hosts.next(), hosts.next());
        let is_old = request.version() <= Version::HTTP_10;
        if second.is_some() || (host.is_none() && request.version() == Version::HTTP_11) {
            return None;
        }

        // RFC 9112 3.2.2: an authority in the request target takes precedence over the header.
        match (request.uri().authority(), host) {
            (Some(authority), _) => Authority::parse(authority.as_str()),
            (None, Some(host)) if !(is_old && host.is_empty()) => Authority::parse(host.to_str().ok()?),
            _ if is_old => Some(Authority::of_address(local)),
            _ => None,
        }
    }

    fn of_address(address: SocketAddr) -> Authority {
        // Drops the zone of an IPv6 address, which is not part of an authority.
        let text = SocketAddr::new(address.ip().to_canonical(), address.port()).to_string();
        let host_length = text.rfind(':').unwrap_or(text.len());
        Authority { text, host_length }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The host without the port.
    pub(crate) fn host_text(&self) -> &str {
        self.text.get(..self.host_length).unwrap_or_default()
    }

    pub(crate) fn host(&self) -> Host<'_> {
        let host = self.host_text();
        let v6 = || host.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
        match (host.parse(), v6()) {
            (Ok(v4), _) => Host::V4(v4),
            (_, Some(v6)) => Host::V6(v6),
            _ => Host::Name(host),
        }
    }
}

fn is_name(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=HOST_BYTES_MAX).contains(&host.len()) && host.bytes().all(allowed)
}

fn is_v6(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn is_port(port: &str) -> bool {
    let Some(digits) = port.strip_prefix(':') else {
        return port.is_empty();
    };
    digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_with_at_most_one_port() {
        for (text, host) in [
            ("localhost:4566", Host::Name("localhost")),
            ("Ecru", Host::Name("ecru")),
            ("127.0.0.1:1", Host::V4(Ipv4Addr::LOCALHOST)),
            ("[::1]:4566", Host::V6(Ipv6Addr::LOCALHOST)),
            (
                "000000000000.dkr.ecr.us-east-1.localhost",
                Host::Name("000000000000.dkr.ecr.us-east-1.localhost"),
            ),
        ] {
            let authority = Authority::parse(text).expect(text);
            assert_eq!(
                (authority.as_str(), authority.host()),
                (text.to_lowercase().as_str(), host)
            );
        }
    }

    #[test]
    fn what_is_not_an_authority_is_refused() {
        let long = "a".repeat(254);
        for text in [
            "", ":", ":80", "a:", "a:0", "a:65536", "a:+1", "a:1:2", "u@a", "a/b", "a b", "[::1", "[]",
            "[::1]x", "::1", "ä", "a,b", &long,
        ] {
            assert_eq!(Authority::parse(text), None, "`{text}`");
        }
    }

    #[track_caller]
    fn check(version: Version, target: &str, hosts: &[&str], expected: Option<&str>) {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 4566));
        let found = Authority::of_request(&request.body(()).expect("a request"), local);
        assert_eq!(found.as_ref().map(Authority::as_str), expected);
    }

    #[test]
    fn a_request_names_its_host_exactly_once() {
        check(Version::HTTP_11, "/v2/", &["a:1"], Some("a:1"));
        check(Version::HTTP_11, "/v2/", &[], None);
        check(Version::HTTP_10, "/v2/", &["a:1"], Some("a:1"));
        check(Version::HTTP_10, "/v2/", &["a", "a"], None);
        check(Version::HTTP_10, "/v2/", &["a b"], None);
        check(Version::HTTP_11, "/v2/", &["a", "a"], None);
        check(Version::HTTP_11, "http://b/v2/", &["a"], Some("b"));
        check(Version::HTTP_2, "https://b/v2/", &[], Some("b"));
        check(Version::HTTP_2, "/v2/", &[], None);
    }

    #[test]
    fn an_old_request_without_a_host_is_for_the_address_it_came_to() {
        check(Version::HTTP_10, "/v2/", &[], Some("127.0.0.1:4566"));
        check(Version::HTTP_10, "/v2/", &[""], Some("127.0.0.1:4566"));
        for (address, text) in [
            ("[::1]:80", "[::1]:80"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
            ("[fe80::1%3]:80", "[fe80::1]:80"),
        ] {
            let authority = Authority::of_address(address.parse().expect("an address"));
            assert_eq!(Authority::parse(text).as_ref(), Some(&authority));
        }
    }
}
