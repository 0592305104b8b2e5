//! Refuses requests from pages of other sites in a browser on the same machine.
//!
//! A browser sends requests to this port for any page that asks it to, and names the page in `Origin` and
//! `Sec-Fetch-Site`. A page may also point its own host name at this machine. Such requests are refused
//! because of the host name, whatever the client.

use http::{HeaderMap, HeaderName, header};

use crate::authority::Authority;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names that clients use for this server.
pub(crate) struct Visited<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) public: Option<&'a Authority>,
}

pub(crate) fn is_foreign(headers: &HeaderMap, visited: &Visited<'_>) -> bool {
    let crosses_sites = headers
        .get_all(FETCH_SITE)
        .iter()
        .any(|site| site == "cross-site");
    let foreign_origin = headers
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| !origin.to_str().is_ok_and(|origin| is_own_origin(origin, visited)));

    crosses_sites || foreign_origin
}

/// Compares host and port, but not the scheme: a proxy in front may terminate TLS.
fn is_own_origin(origin: &str, visited: &Visited<'_>) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    let Some(origin) = authority.and_then(Authority::parse) else {
        return false;
    };
    origin == *visited.authority || visited.public.is_some_and(|public| origin == *public)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: (&str, &str) = ("user-agent", "Mozilla/5.0");

    #[track_caller]
    fn check(host: &str, headers: &[(&'static str, &str)], foreign: bool) {
        let authority = Authority::parse(host).expect(host);
        let public = Authority::parse("registry.example:8443").expect("an authority");
        let visited = Visited {
            authority: &authority,
            public: Some(&public),
        };
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                value.parse().expect("a header value"),
            )
        });
        assert_eq!(is_foreign(&headers.collect(), &visited), foreign, "host `{host}`");
    }

    #[test]
    fn programs_are_not_taken_for_browsers() {
        check("ecru:4566", &[], false);
        check("ecru:4566", &[("user-agent", "docker/27")], false);
        // Node's `fetch` sends this header.
        check("ecru:4566", &[("sec-fetch-mode", "cors")], false);
        check("ecru:4566", &[CHROME, ("sec-fetch-mode", "navigate")], false);
    }

    #[test]
    fn a_page_of_another_site_is_foreign() {
        check("localhost:4566", &[("origin", "https://evil.example")], true);
        check("localhost:4566", &[("origin", "http://localhost:3000")], true);
        check("localhost:4566", &[("origin", "null")], true);
        check("localhost:4566", &[("origin", "file://localhost:4566")], true);
        check("localhost:4566", &[("sec-fetch-site", "cross-site")], true);
    }

    #[test]
    fn the_own_page_is_not_foreign() {
        check(
            "localhost:4566",
            &[
                CHROME,
                ("origin", "http://localhost:4566"),
                ("sec-fetch-site", "same-origin"),
            ],
            false,
        );
        check(
            "registry.example:8443",
            &[CHROME, ("origin", "https://registry.example:8443")],
            false,
        );
        check(
            "localhost:4566",
            &[CHROME, ("origin", "https://registry.example:8443")],
            false,
        );
        check("localhost:4566", &[CHROME, ("sec-fetch-site", "none")], false);
    }
}
