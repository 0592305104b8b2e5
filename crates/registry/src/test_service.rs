//! A service with an empty store, for tests.

use std::sync::Arc;
use std::time::Duration;

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_platform::{Clock, Opening, Random};
use ecru_store::Options;
use tempfile::TempDir;

use crate::quotas::Quotas;
use crate::{Configuration, OrganizationId, Pace, Ports, RepositoryUriShape, Service};

const NOW: i64 = 1_767_225_600_000;

pub(crate) fn service() -> (Arc<Service>, TempDir) {
    let directory = TempDir::new().unwrap();
    let clock = Clock::default();
    clock.freeze(Timestamp::from_millis(NOW));
    let opening = Opening {
        store: Options {
            directory: directory.path().to_owned(),
            ephemeral: true,
        },
        migrations: Vec::new(),
        clock,
        random: Random::default(),
        default_account: RegistryId::parse("000000000000").unwrap(),
    };
    let configuration = Configuration {
        dev_users: true,
        public_endpoint: None,
        repository_uri: RepositoryUriShape::Request,
        events_kept: Duration::from_hours(168),
        organization_id: OrganizationId::default(),
        pace: Pace::Fast,
        uploads_at_once: 16,
        quotas: Quotas::default(),
    };
    let service = Service::open(opening, configuration, Ports::default());
    (service.unwrap(), directory)
}

pub(crate) fn scope(account: &str, region: &str) -> Scope {
    Scope {
        registry_id: RegistryId::parse(account).unwrap(),
        region: Region::parse(region).unwrap(),
    }
}
