//! The host names that the server answers for, for every client.
//!
//! A page can point a host name at this machine. A browser then treats this server as part of the page's
//! site, and the page can read every answer. So a request is answered only under an address, or under a name
//! that no author of a page can own.

use std::str::FromStr;

use crate::authority::{Authority, Host};

/// Names below these belong to a machine or a network, and cannot be registered.
const PRIVATE_DOMAINS: [&str; 8] = [
    "localhost",
    "internal",
    "local",
    "svc",
    "cluster.local",
    "test",
    "example",
    // Its owner points this name and all names below it at 127.0.0.1.
    "localhost.localstack.cloud",
];

/// One for each partition of AWS.
const AMAZON_DOMAINS: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
    "amazonaws.eu",
];

/// Host names that an operator allows: one name, `*.<domain>` for all names below a domain, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Below(String),
    Name(String),
}

impl FromStr for HostPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = |text: &str| match Authority::parse(text) {
            Some(authority) if !text.contains(':') => Ok(authority.as_str().trim_end_matches('.').to_owned()),
            _ => Err("a host is a name without scheme and port, `*.` and a domain, or `*`"),
        };
        Ok(Self(match text.strip_prefix('*') {
            Some("") => Pattern::Any,
            Some(below) => Pattern::Below(name(below.strip_prefix('.').unwrap_or_default())?),
            None => Pattern::Name(name(text)?),
        }))
    }
}

impl HostPattern {
    fn covers(&self, name: &str) -> bool {
        match &self.0 {
            Pattern::Any => true,
            Pattern::Below(domain) => is_below(name, domain),
            Pattern::Name(allowed) => name == allowed,
        }
    }
}

pub(crate) struct Hosts {
    /// The names of the machine and of the public endpoint.
    own: Vec<String>,
    allowed: Vec<HostPattern>,
}

impl Hosts {
    pub(crate) fn new(public: Option<&Authority>, allowed: Vec<HostPattern>) -> Self {
        let uname = rustix::system::uname();
        let machine = uname.nodename().to_str().unwrap_or_default();
        let public = public.and_then(|public| match public.host() {
            Host::Name(name) => Some(name),
            Host::V4(_) | Host::V6(_) => None,
        });
        let own = [Some(machine), public].into_iter().flatten();
        Self {
            own: own.map(str::to_ascii_lowercase).collect(),
            allowed,
        }
    }

    pub(crate) fn answer_for(&self, authority: &Authority) -> bool {
        let Host::Name(name) = authority.host() else {
            // A page under an IP address was loaded from that address, so it cannot belong to another server.
            return true;
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        !name.contains('.') || self.know(name) || is_of_service(name) || self.know_registry(name)
    }

    fn know(&self, name: &str) -> bool {
        PRIVATE_DOMAINS
            .iter()
            .any(|domain| name == *domain || is_below(name, domain))
            || self.own.iter().any(|own| own == name)
            || self.allowed.iter().any(|pattern| pattern.covers(name))
    }

    /// Whether the name is `<account>.dkr.ecr.<region>.<domain>`. A domain without a dot is refused: in
    /// `….dkr.ecr.us-east-1.com`, anyone could register the domain of the last two labels.
    fn know_registry(&self, name: &str) -> bool {
        let labels = name.splitn(5, '.').collect::<Vec<_>>();
        let [account, "dkr", "ecr" | "ecr-fips", region, domain] = labels.as_slice() else {
            return false;
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_known = AMAZON_DOMAINS.contains(domain) || (domain.contains('.') && self.know(domain));
        is_account && !region.is_empty() && is_known
    }
}

/// Whether the name is a host of the JSON API, `api.ecr.<region>.amazonaws.com`, for clients that resolve it
/// to this server.
fn is_of_service(name: &str) -> bool {
    let name = name.strip_prefix("api.").unwrap_or(name);
    let labels = name.splitn(3, '.').collect::<Vec<_>>();
    matches!(labels.as_slice(), ["ecr" | "ecr-fips", region, domain]
        if !region.is_empty() && AMAZON_DOMAINS.contains(domain))
}

fn is_below(name: &str, domain: &str) -> bool {
    let above = name
        .strip_suffix(domain)
        .and_then(|above| above.strip_suffix('.'));
    above.is_some_and(|above| !above.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(public: Option<&str>, allowed: &[&str]) -> Hosts {
        let public = public.map(|public| Authority::parse(public).expect(public));
        let allowed = allowed.iter().map(|pattern| pattern.parse().expect(pattern));
        Hosts::new(public.as_ref(), allowed.collect())
    }

    #[track_caller]
    fn check(hosts: &Hosts, names: &[&str], answered: bool) {
        for name in names {
            let authority = Authority::parse(name).expect(name);
            assert_eq!(hosts.answer_for(&authority), answered, "{name}");
        }
    }

    #[test]
    fn addresses_and_names_that_nobody_can_own_are_answered() {
        let names = [
            "127.0.0.1:4566",
            "203.0.113.9",
            "[::1]:4566",
            "[2001:db8::1]",
            "localhost",
            "localhost:4566",
            "LocalHost.",
            "ecru.localhost:80",
            "ecru:4566",
            "host.docker.internal:4566",
            "ecru.default.svc:4566",
            "ecru.default.svc.cluster.local",
            "laptop.local",
            "registry.test",
            "registry.example:8443",
            "localhost.localstack.cloud:4566",
            "000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4566",
            "000000000000.dkr.ecr.eu-west-1.localhost:4566",
            "000000000000.dkr.ecr.eu-west-1.registry.test",
        ];
        check(&hosts(None, &[]), &names, true);
    }

    #[test]
    fn the_hosts_of_ecr_are_answered_in_every_partition() {
        let hosts = hosts(None, &[]);
        for domain in AMAZON_DOMAINS {
            for host in [
                "123456789012.dkr.ecr.some-region-1",
                "123456789012.dkr.ecr-fips.some-region-1",
                "api.ecr.some-region-1",
                "ecr.some-region-1",
                "ecr-fips.some-region-1",
            ] {
                check(
                    &hosts,
                    &[&format!("{host}.{domain}"), &format!("{host}.{domain}:443")],
                    true,
                );
            }
        }
    }

    #[test]
    fn names_that_somebody_may_own_are_not_answered() {
        let names = [
            "evil.com",
            "evil.com:4566",
            "localhost.evil.com",
            "evillocalhost.com",
            "localstack.cloud",
            "example.com",
            "1.2.3.4.5",
            "amazonaws.com",
            "bucket.s3.amazonaws.com",
            "internal-lb-1.us-east-1.elb.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.evil.com",
            "123456789012.dkr.ecr.eu-west-1.com",
            "123456789012.dkr.ecr.evil.com",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "x.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.evil.amazonaws.com",
            "api.ecr.eu-west-1.evil.com",
            "api.ecr.evil.x.amazonaws.com",
        ];
        check(&hosts(None, &[]), &names, false);
    }

    #[test]
    fn the_operator_names_further_hosts() {
        let public = hosts(Some("registry.corp.com:8443"), &[]);
        check(
            &public,
            &[
                "registry.corp.com",
                "Registry.Corp.com:1",
                "000000000000.dkr.ecr.us-east-1.registry.corp.com",
            ],
            true,
        );
        check(&public, &["corp.com", "a.registry.corp.com"], false);

        let some = hosts(None, &["*.corp.com", "other.net"]);
        check(&some, &["a.corp.com", "a.b.corp.com:1", "other.net:2"], true);
        check(&some, &["000000000000.dkr.ecr.us-east-1.other.net"], true);
        check(&some, &["corp.com", "evilcorp.com", "a.other.net"], false);

        check(&hosts(None, &["*"]), &["evil.com"], true);
    }

    #[test]
    fn a_pattern_is_a_name_a_domain_or_anything() {
        for bad in [
            "",
            "*.",
            "*a.com",
            "**",
            "a:80",
            "http://a.com",
            "a.*.com",
            "a b",
            "[::1]",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
        assert_eq!("A.Com.".parse::<HostPattern>(), "a.com".parse());
    }
}
