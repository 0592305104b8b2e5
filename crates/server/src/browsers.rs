//! Keeps pages of other sites, open in a browser on the same machine, from speaking to this server.
//!
//! A browser sends requests to this port for any page that asks it to. It says which page by `Origin` and
//! `Sec-Fetch-Site`; a page that has pointed its own name at this machine is known by that name in `Host`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};

use crate::authority::{Authority, Host};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_HEADERS: &str = "sec-fetch-";

/// The names and addresses under which this server is meant to be visited.
pub(crate) struct Visited<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) local: IpAddr,
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

    crosses_sites || foreign_origin || (is_browser(headers) && !is_own_host(visited))
}

fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        || headers
            .get(header::USER_AGENT)
            .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
        || headers
            .keys()
            .any(|name| name.as_str().starts_with(FETCH_HEADERS))
}

/// The scheme is not compared: a proxy in front may have taken TLS away.
fn is_own_origin(origin: &str, visited: &Visited<'_>) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    let Some(origin) = authority.and_then(Authority::parse) else {
        return false;
    };
    origin == *visited.authority || visited.public.is_some_and(|public| origin == *public)
}

fn is_own_host(visited: &Visited<'_>) -> bool {
    if visited
        .public
        .is_some_and(|public| public.host() == visited.authority.host())
    {
        return true;
    }
    match visited.authority.host() {
        Host::Name(name) => name == "localhost" || name.ends_with(".localhost") || is_registry_name(name),
        Host::V4(address) => is_own_address(address.into(), visited.local),
        Host::V6(address) => is_own_address(address.into(), visited.local),
    }
}

/// `<account>.dkr.ecr.<region>.amazonaws.com` and the like. Below other domains such a name can be anyone's,
/// and whoever has it can point it at this machine.
fn is_registry_name(name: &str) -> bool {
    let mut labels = name.splitn(5, '.');
    let account = labels.next().unwrap_or_default();
    let (dkr, ecr, region) = (labels.next(), labels.next(), labels.next().unwrap_or_default());
    account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && (dkr, ecr) == (Some("dkr"), Some("ecr"))
        && !region.is_empty()
        && matches!(
            labels.next(),
            Some("amazonaws.com" | "amazonaws.com.cn" | "localhost.localstack.cloud")
        )
}

/// A page cannot make a browser show it under an address, so these need no exact list: in a container the
/// address that was visited is not the one the connection arrived at.
fn is_own_address(address: IpAddr, local: IpAddr) -> bool {
    let address = address.to_canonical();
    let private = match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    private || address.is_loopback() || address.is_unspecified() || address == local.to_canonical()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const CHROME: (&str, &str) = ("user-agent", "Mozilla/5.0");

    #[track_caller]
    fn check(host: &str, headers: &[(&'static str, &str)], foreign: bool) {
        let authority = Authority::parse(host).expect(host);
        let public = Authority::parse("registry.example:8443").expect("an authority");
        let visited = Visited {
            authority: &authority,
            local: Ipv4Addr::new(198, 51, 100, 7).into(),
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
    fn programs_reach_the_server_by_any_name() {
        check("evil.example", &[], false);
        check("evil.example", &[("user-agent", "docker/27")], false);
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

    #[test]
    fn a_browser_comes_under_a_name_of_this_machine() {
        for host in [
            "localhost",
            "ecr.localhost:80",
            "127.0.0.1:4566",
            "127.9.9.9",
            "[::1]:4566",
            "0.0.0.0:4566",
            "10.1.2.3",
            "[::ffff:127.0.0.1]",
            "198.51.100.7:4566",
            "registry.example",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com:4566",
            "123456789012.dkr.ecr.eu-west-1.localhost:4566",
        ] {
            check(host, &[CHROME], false);
            check(host, &[("sec-fetch-mode", "navigate")], false);
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "203.0.113.9:4566",
            "evillocalhost",
            "123456789012.dkr.ecr.eu-west-1.evil.example",
            "x.dkr.ecr.eu-west-1.amazonaws.com",
        ] {
            check(host, &[CHROME], true);
            check(host, &[("sec-fetch-mode", "navigate")], true);
        }
    }
}
