//! Replication: images pushed into one registry are copied to others, by work that continues until it is done.
//!
//! A push records in its own transaction what must reach which registry. One job for each image and destination then makes the
//! destination match what the source has at that time. So the job may run twice, late or after a restart.

pub(crate) mod backfill;
mod configuration;
mod copy;
mod describe_image_replication_status;
mod destination;
mod observer;
mod put_replication_configuration;
mod record;
mod run;
mod settle;

use ecru_model::{Digest, Region, RegistryId, RepositoryName, Scope, Timestamp};
use ecru_platform::jobs::{Subject, schedule};
use ecru_store::Tx;

use crate::Error;
use crate::records::repositories::Repository;

pub(crate) use backfill::ReplicationBackfill;
pub use backfill::{
    describe_replication_backfill_results, list_replication_backfills, start_replication_backfill,
    stop_replication_backfill,
};
pub(crate) use configuration::describe as describe_configuration;
pub use describe_image_replication_status::describe_image_replication_status;
pub(crate) use observer::Observer;
pub use put_replication_configuration::put_replication_configuration;
pub(crate) use run::Replication;

/// Removals are due before every clock.
const AT_ONCE: Timestamp = Timestamp::from_millis(i64::MIN);

/// The source and destination registries of a replicated repository, which has the same name in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    source: Scope,
    name: RepositoryName,
    destination: Scope,
}

/// An image and its route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shipment {
    route: Route,
    digest: Digest,
}

/// The subject of a job in the source registry.
impl Subject for Shipment {
    fn text(&self) -> String {
        let Route {
            name, destination, ..
        } = &self.route;
        format!("{name}@{} {destination}", self.digest)
    }

    fn parse(source: &Scope, subject: &str) -> Option<Self> {
        let (image, destination) = subject.split_once(' ')?;
        let (name, digest) = image.split_once('@')?;
        let (registry_id, region) = destination.split_once('/')?;
        let route = Route {
            source: source.clone(),
            name: RepositoryName::parse(name).ok()?,
            destination: Scope {
                registry_id: RegistryId::parse(registry_id).ok()?,
                region: Region::parse(region).ok()?,
            },
        };
        let digest = Digest::parse(digest).ok()?;
        Some(Self { route, digest })
    }
}

fn schedule_shipment(
    tx: &Tx<'_>,
    repository: &Repository,
    digest: &Digest,
    destination: Scope,
    due: Timestamp,
) -> Result<(), Error> {
    let shipment = Shipment {
        route: Route {
            source: repository.scope.clone(),
            name: repository.name.clone(),
            destination,
        },
        digest: *digest,
    };
    Ok(schedule::<Replication>(tx, &repository.scope, &shipment, due)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipment_is_read_as_it_is_written() {
        let source = Scope {
            registry_id: RegistryId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let shipment = Shipment {
            route: Route {
                source: source.clone(),
                name: RepositoryName::parse("team/app").unwrap(),
                destination: Scope {
                    registry_id: RegistryId::parse("111122223333").unwrap(),
                    region: Region::parse("eu-west-1").unwrap(),
                },
            },
            digest: Digest::of(b"manifest"),
        };
        assert_eq!(Shipment::parse(&source, &shipment.text()), Some(shipment));
        for other in [
            "",
            "team/app",
            "team/app@sha256:00 111122223333/eu-west-1",
            "a b c",
        ] {
            assert_eq!(Shipment::parse(&source, other), None, "{other}");
        }
    }
}
