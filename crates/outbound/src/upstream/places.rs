//! The address of each upstream registry, and the places that the operator has named for it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ecru_registry::pull_through_cache::UpstreamError;
use reqwest::Url;

use super::addresses::is_public;

/// Scheme, host and port, as parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    scheme: String,
    host: String,
    port: u16,
}

impl Place {
    pub(super) fn of(url: &Url) -> Option<Self> {
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    pub(super) fn is_https_of(&self, host: &str) -> bool {
        self.scheme == "https" && self.host == host && self.port == 443
    }

    /// Whether the connection is encrypted or stays on this machine.
    pub(super) fn keeps_secrets(&self) -> bool {
        self.scheme == "https" || is_loopback(&self.host)
    }
}

/// How a place may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Road {
    /// HTTPS to public addresses only.
    Public,
    /// HTTPS to any address.
    Named,
    /// HTTP to any address.
    Plain,
}

#[derive(Debug, Default)]
pub(super) struct Places {
    /// By host, as rules name it.
    bases: HashMap<String, Url>,
    /// For each host the places that it may redirect to, at any address. No other upstream may.
    named: HashMap<String, HashSet<Place>>,
}

impl Places {
    /// Of several places for one host the first is used.
    pub(super) fn new(redirected: &[(String, Url)], allowed: &[String]) -> Self {
        let allowed = allowed
            .iter()
            .filter_map(|host| Some((host.clone(), address_of(host)?)));
        let mut places = Self::default();
        for (host, url) in redirected.iter().cloned().chain(allowed) {
            let named = places.named.entry(host.clone()).or_default();
            named.extend(Place::of(&url));
            places.bases.entry(host).or_insert(url);
        }
        places
    }

    pub(super) fn names(&self, host: &str) -> bool {
        self.bases.contains_key(host)
    }

    /// The URL that paths are joined to.
    pub(super) fn base(&self, host: &str) -> Result<Url, UpstreamError> {
        const NO_HOST: UpstreamError = UpstreamError::Forbidden("its URL is not that of a registry");
        match self.bases.get(host) {
            Some(base) => Ok(base.clone()),
            None => parse_origin(&format!("https://{host}")).ok_or(NO_HOST),
        }
    }

    /// Whether and how a URL of an upstream may be requested, whatever its source. The addresses of a name
    /// are checked when the name is resolved.
    pub(super) fn road(&self, host: &str, url: &Url) -> Result<Road, UpstreamError> {
        const NO_PLACE: UpstreamError = UpstreamError::Forbidden("its address is not one of the web");
        const PLAIN: UpstreamError = UpstreamError::Forbidden("its address is not HTTPS");
        const PRIVATE: UpstreamError = UpstreamError::Forbidden("its address is not public");

        let place = Place::of(url).ok_or(NO_PLACE)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NO_PLACE);
        }
        let named = self.named.get(host).is_some_and(|named| named.contains(&place));
        match (place.scheme.as_str(), named) {
            ("http", true) => Ok(Road::Plain),
            ("https", true) => Ok(Road::Named),
            ("https", false) if !is_public_host(url) => Err(PRIVATE),
            ("https", false) => Ok(Road::Public),
            _ => Err(PLAIN),
        }
    }
}

/// Whether a URL may lead to the public internet. The addresses of a name are checked when it is resolved.
pub(crate) fn is_public_host(url: &Url) -> bool {
    url.host_str().and_then(literal).is_none_or(is_public)
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || literal(host).is_some_and(|address| address.to_canonical().is_loopback())
}

/// Parses an origin: scheme and authority, and nothing else.
fn parse_origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    let known = matches!(url.scheme(), "http" | "https") && url.has_host();
    (bare && anonymous && known).then_some(url)
}

/// A registry that is named only by its host is asked by HTTPS, except on this machine.
fn address_of(host: &str) -> Option<Url> {
    let url = parse_origin(&format!("https://{host}"))?;
    if is_loopback(url.host_str()?) {
        return parse_origin(&format!("http://{host}"));
    }
    Some(url)
}

/// Parses `<host>[:<port>]`.
pub fn parse_host(text: &str) -> Result<String, &'static str> {
    const HINT: &str = "a registry is a host in lower case, and perhaps `:` and a port";
    let regular = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || "-._:[]".contains(character)
    };
    let named = text.chars().all(regular) && address_of(text).is_some();
    named.then(|| text.to_owned()).ok_or(HINT)
}

/// Parses `<host>=<base URL>`.
pub fn parse_redirection(text: &str) -> Result<(String, Url), &'static str> {
    const HINT: &str = "a redirection is `<host>=<URL>`, where the URL is `http://` or `https://`, a host and perhaps a port";
    let (host, url) = text.split_once('=').ok_or(HINT)?;
    Ok((parse_host(host)?, parse_origin(url).ok_or(HINT)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "registry-1.docker.io";

    fn places() -> Places {
        let redirected = ["http://10.0.0.5:5000", "http://10.0.0.6:5001"]
            .map(|place| parse_redirection(&format!("{HUB}={place}")).unwrap());
        let allowed = ["localhost:5000", "mirror.internal"].map(str::to_owned);
        Places::new(&redirected, &allowed)
    }

    #[track_caller]
    fn check(host: &str, url: &str, road: Option<Road>) {
        let found = places().road(host, &Url::parse(url).unwrap());
        assert_eq!(found.ok(), road, "{host} {url}");
    }

    #[test]
    fn only_places_named_for_an_upstream_may_be_anything_but_public_https() {
        for host in [HUB, "localhost:5000", "mirror.internal", "quay.io"] {
            check(host, "https://quay.io/v2/", Some(Road::Public));
            check(host, "https://1.1.1.1/v2/", Some(Road::Public));
            for refused in [
                "http://quay.io/v2/",
                "http://10.0.0.5:5001/v2/",
                "https://10.0.0.5:5000/v2/",
                "http://10.0.0.5/v2/",
                "http://mirror.internal/v2/",
                "http://localhost:5001/",
                "https://127.0.0.1/",
                "https://127.1/",
                "https://2130706433/",
                "https://0x7f.1/",
                "https://[::1]/",
                "https://[::ffff:169.254.169.254]/latest/meta-data",
                "https://169.254.169.254/latest/meta-data",
                "https://[fd00:ec2::254]/",
                "https://user:password@quay.io/",
                "file:///etc/passwd",
                "ftp://quay.io/",
            ] {
                check(host, refused, None);
            }
        }
    }

    #[test]
    fn a_place_named_for_one_upstream_is_reached_from_no_other() {
        let named = [
            (HUB, "http://10.0.0.5:5000/v2/", Road::Plain),
            (HUB, "http://10.0.0.6:5001/token", Road::Plain),
            ("localhost:5000", "http://localhost:5000/v2/", Road::Plain),
            ("mirror.internal", "https://mirror.internal/v2/", Road::Named),
        ];
        for (owner, url, road) in named {
            for host in [HUB, "localhost:5000", "mirror.internal", "quay.io"] {
                let other = (road == Road::Named).then_some(Road::Public);
                check(host, url, if host == owner { Some(road) } else { other });
            }
        }
    }

    #[test]
    fn a_registry_is_asked_where_the_operator_says() {
        let places = places();
        let base = |host| places.base(host).map(|url| url.to_string()).ok();
        assert_eq!(
            base("registry-1.docker.io").as_deref(),
            Some("http://10.0.0.5:5000/")
        );
        assert_eq!(base("localhost:5000").as_deref(), Some("http://localhost:5000/"));
        assert_eq!(
            base("mirror.internal").as_deref(),
            Some("https://mirror.internal/")
        );
        assert_eq!(base("quay.io").as_deref(), Some("https://quay.io/"));
        assert_eq!(base("quay.io/x"), None);
        assert_eq!(base("a@quay.io"), None);
    }

    #[test]
    fn hosts_and_redirections_are_read_strictly() {
        for good in [
            "localhost:5000",
            "127.0.0.1:5000",
            "[::1]:5000",
            "registry.example",
        ] {
            assert_eq!(parse_host(good).as_deref(), Ok(good));
        }
        for bad in ["", "a/b", "a@b", "http://a", "UPPER.example", "a:port", "a b"] {
            assert!(parse_host(bad).is_err(), "{bad}");
        }
        for bad in [
            "quay.io",
            "quay.io=",
            "quay.io=localhost:5000",
            "quay.io=http://a/path",
            "=http://a",
        ] {
            assert!(parse_redirection(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_go_by_https_or_stay_on_this_machine() {
        let place = |url| Place::of(&Url::parse(url).unwrap()).unwrap();
        assert!(place("https://quay.io").keeps_secrets());
        assert!(place("http://127.0.0.1:5000").keeps_secrets());
        assert!(!place("http://10.0.0.5:5000").keeps_secrets());
    }
}
