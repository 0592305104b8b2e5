//! The options of a server.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ecru_aws::ErrorNames;
use ecru_model::RegistryId;

use ecru_outbound::Url;
use ecru_registry::Quotas;
use ecru_registry::{Endpoint, OrganizationId, Pace, RepositoryUriShape};

use crate::{DataDirectory, HostPattern};

#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    pub data: DataDirectory,
    pub account_id: RegistryId,
    pub organization_id: OrganizationId,
    pub public_endpoint: Option<Endpoint>,
    /// Host names to answer for, beside those that cannot be registered.
    pub allowed_hosts: Vec<HostPattern>,
    pub repository_uri: RepositoryUriShape,
    pub error_names: ErrorNames,
    pub pace: Pace,
    pub dev_users: bool,
    pub introspection: bool,
    pub tls: Option<TlsFiles>,
    pub quotas: Quotas,
    /// The number of uploads in progress. By default, as many as the limit of open descriptors permits.
    pub uploads_at_once: Option<usize>,
    pub events: EventOptions,
    /// A directory of advisories that is checked before each scan.
    pub advisories: Option<PathBuf>,
    /// If set, advisories are fetched while the server runs.
    pub advisories_refresh: Option<AdvisoriesRefresh>,
    pub upstreams: UpstreamOptions,
    /// The file of the key that encrypts the material of KMS keys; without it, a file in the data directory.
    pub master_key_file: Option<PathBuf>,
}

/// The other registries that the pull-through cache may ask, beside those that the service supports.
#[derive(Clone, Debug, Default)]
pub struct UpstreamOptions {
    /// Upstream hosts, each with the URL to use instead.
    pub redirected: Vec<(String, Url)>,
    /// `host` or `host:port`.
    pub allowed: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct AdvisoriesRefresh {
    pub every: Duration,
    /// The address of the archives.
    pub from: Url,
}

#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The receivers of events.
#[derive(Clone, Debug)]
pub struct EventOptions {
    /// Receives each event in a separate request.
    pub webhook: Option<Url>,
    /// Receives events through EventBridge's `PutEvents`.
    pub endpoint: Option<Url>,
    /// How long an undelivered event is kept for a receiver.
    pub kept: Duration,
}

impl Default for EventOptions {
    fn default() -> EventOptions {
        EventOptions {
            webhook: None,
            endpoint: None,
            kept: Duration::from_hours(7 * 24),
        }
    }
}

impl Options {
    /// Options for one test or one program: a free port of the loopback address, and the usual settings.
    pub fn local(data: DataDirectory) -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data,
            account_id: default_account(),
            organization_id: OrganizationId::default(),
            public_endpoint: None,
            allowed_hosts: Vec::new(),
            repository_uri: RepositoryUriShape::Request,
            error_names: ErrorNames::Ecru,
            pace: Pace::Fast,
            dev_users: true,
            introspection: true,
            tls: None,
            quotas: Quotas::default(),
            uploads_at_once: None,
            events: EventOptions::default(),
            advisories: None,
            advisories_refresh: None,
            upstreams: UpstreamOptions::default(),
            master_key_file: None,
        }
    }
}

fn default_account() -> RegistryId {
    #[expect(clippy::expect_used, reason = "twelve zeros are an account id")]
    RegistryId::parse("000000000000").expect("twelve digits")
}
