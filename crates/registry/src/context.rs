//! What an operation can use: the service of the process, and the caller, registry and address of the request.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ecru_model::Scope;
use ecru_platform::clock::Moment;
use ecru_platform::{Platform, Sender};

use crate::ports::Ports;
use crate::ports::image_observer::ImageObservers;
use crate::quotas::Quotas;
use crate::state::caching::Caching;
use crate::state::kept_manifests::KeptManifests;
use crate::state::pulls::Pulls;
use crate::state::verified_tokens::VerifiedTokens;
use crate::{Caller, OrganizationId, UploadPlaces};

/// The service; one per process.
pub struct Service {
    pub platform: Arc<Platform>,
    pub configuration: Configuration,
    /// Shared by all uploads whose bytes are being received.
    pub upload_places: UploadPlaces,
    pub ports: Ports,
    pub(crate) image_observers: ImageObservers,
    pub(crate) verified_tokens: VerifiedTokens,
    pub(crate) pulls: Pulls,
    pub(crate) kept_manifests: KeptManifests,
    pub(crate) caching: Caching,
}

impl Deref for Service {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}

#[derive(Debug, Clone)]
pub struct Configuration {
    /// Whether a user whose name begins with `test` may enter `/v2/` with any password.
    pub dev_users: bool,
    pub public_endpoint: Option<Endpoint>,
    pub repository_uri: RepositoryUriShape,
    pub quotas: Quotas,
    /// How long an event waits for a sink that does not accept it.
    pub events_kept: Duration,
    /// The organization of every account of this server.
    pub organization_id: OrganizationId,
    pub pace: Pace,
    /// The number of uploads that are received at the same time; others wait.
    pub uploads_at_once: usize,
}

/// The duration of waits that only imitate those of AWS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// No longer than the work itself takes.
    #[default]
    Fast,
    /// As long as they may take in AWS, by the clock that users see.
    Aws,
}

/// Inputs of a decision about images that are not in the database, and the observers of its result.
#[derive(Debug, Clone)]
pub(crate) struct StoreRules {
    pub(crate) at: Moment,
    pub(crate) quotas: Quotas,
    pub(crate) observers: ImageObservers,
    pub(crate) organization_id: OrganizationId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryUriShape {
    /// The authority that the request was sent to.
    Request,
    /// `<account>.dkr.ecr.<region>.amazonaws.com`, with the port of the request.
    Aws,
}

impl Service {
    pub(crate) fn store_rules(&self) -> StoreRules {
        StoreRules {
            at: self.clock.moment(),
            quotas: self.configuration.quotas,
            observers: self.image_observers.clone(),
            organization_id: self.configuration.organization_id.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// The address that a request was sent to. Answers may name it, and the client can reach it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub scheme: Scheme,
    /// `host` or `host:port`.
    pub authority: String,
}

/// The owner of this domain resolves it and all names below it to 127.0.0.1.
const LOCALSTACK: &str = "localhost.localstack.cloud";

impl Endpoint {
    fn port(&self) -> Option<&str> {
        let (_, port) = self.authority.rsplit_once(':')?;
        (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
    }

    /// The domain below which hosts of ECR's form are certain to reach the server as this request did:
    /// clients resolve all names below `localhost` to their own machine. Whether other domains resolve such
    /// names is not known.
    fn domain(&self) -> Option<&str> {
        let host = match self.authority.rsplit_once(':') {
            Some((host, _)) if self.port().is_some() => host,
            _ => &self.authority,
        };
        let labels = host.splitn(5, '.').collect::<Vec<_>>();
        if let [_, "dkr", "ecr", _, domain] = labels.as_slice() {
            return Some(domain);
        }
        let address = host.trim_start_matches('[').trim_end_matches(']');
        match address.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback().then_some("localhost"),
            Err(_) if host == LOCALSTACK || host.ends_with(".localhost") => Some(host),
            Err(_) => (host == "localhost").then_some(host),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority)
    }
}

/// A request: its caller, its registry and its address.
#[derive(Clone)]
pub struct Context {
    pub service: Arc<Service>,
    pub caller: Caller,
    /// The registry that the request means if it names none.
    pub scope: Scope,
    pub endpoint: Endpoint,
    /// The address of the client, if known.
    pub source: Option<IpAddr>,
    /// The request carries permission that was decided earlier.
    pub(crate) granted: bool,
    /// A repository that is absent from the region of `scope` may be found in another region of the account.
    pub(crate) any_region: bool,
}

impl Deref for Context {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl Context {
    /// The context of a signed request.
    pub fn signed(service: &Arc<Service>, sender: Sender, endpoint: Endpoint) -> Self {
        Self::new(service, sender.caller, sender.scope, endpoint)
    }

    pub fn new(service: &Arc<Service>, caller: Caller, scope: Scope, endpoint: Endpoint) -> Self {
        let endpoint = service.configuration.public_endpoint.clone().unwrap_or(endpoint);
        Self {
            service: Arc::clone(service),
            caller,
            scope,
            endpoint,
            source: None,
            granted: false,
            any_region: false,
        }
    }

    /// The authority under which the client of this request reaches a registry: `host[:port]`.
    pub(crate) fn registry_authority(&self, scope: &Scope) -> Cow<'_, str> {
        match self.configuration.repository_uri {
            RepositoryUriShape::Request => Cow::Borrowed(&self.endpoint.authority),
            RepositoryUriShape::Aws => {
                let Scope { registry_id, region } = scope;
                let host = format!("{registry_id}.dkr.ecr.{region}.{}", region.dns_suffix());
                Cow::Owned(match self.endpoint.port() {
                    Some(port) => format!("{host}:{port}"),
                    None => host,
                })
            }
        }
    }

    /// A host of ECR's form that means this registry and reaches the server as this request did:
    /// `host[:port]`. None if no such host is known.
    pub(crate) fn ecr_authority(&self, scope: &Scope) -> Option<String> {
        if self.configuration.repository_uri == RepositoryUriShape::Aws {
            return Some(self.registry_authority(scope).into_owned());
        }
        let Scope { registry_id, region } = scope;
        let domain = self.endpoint.domain()?;
        let port = self.endpoint.port().map(|port| format!(":{port}"));
        Some(format!(
            "{registry_id}.dkr.ecr.{region}.{domain}{}",
            port.unwrap_or_default()
        ))
    }

    /// The endpoint that a token opens. ECR's credential helper requires `https` for endpoints of ECR's own
    /// form.
    pub(crate) fn proxy_endpoint(&self, scope: &Scope) -> String {
        let authority = self.registry_authority(scope);
        match self.configuration.repository_uri {
            RepositoryUriShape::Request => format!("{}://{authority}", self.endpoint.scheme),
            RepositoryUriShape::Aws => format!("https://{authority}"),
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_the_form_of_ecr_lie_below_a_domain_that_resolves_them() {
        for (authority, domain) in [
            ("localhost:4566", Some("localhost")),
            ("localhost", Some("localhost")),
            ("ecru.localhost:4566", Some("ecru.localhost")),
            ("localhost.localstack.cloud", Some("localhost.localstack.cloud")),
            ("127.0.0.1:4566", Some("localhost")),
            ("[::1]:4566", Some("localhost")),
            ("ecru:4566", None),
            ("192.168.0.7:4566", None),
            ("[2001:db8::1]", None),
            ("registry.test:80", None),
            ("host.docker.internal:4566", None),
            ("ecru.default.svc.cluster.local", None),
            ("000000000000.dkr.ecr.us-east-1.localhost:4566", Some("localhost")),
            (
                "000000000000.dkr.ecr.us-east-1.registry.test:80",
                Some("registry.test"),
            ),
            (
                "000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud",
                Some("localhost.localstack.cloud"),
            ),
        ] {
            let endpoint = Endpoint {
                scheme: Scheme::Http,
                authority: authority.to_owned(),
            };
            assert_eq!(endpoint.domain(), domain, "{authority}");
        }
    }
}
