//! ECR's operations, and image pushes and pulls: one room per family, one file per operation.

mod access;
mod annotations;
pub mod authorization;
mod context;
mod creation_templates;
mod error;
pub mod events;
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
#[rustfmt::skip]
pub mod generated;
mod component;
pub mod housekeeping;
pub mod images;
pub mod introspection;
pub mod layers;
pub mod lifecycle;
mod lifecycle_policy;
mod manifests;
pub mod operations;
mod paging;
mod ports;
pub mod pull_through_cache;
mod pull_time_exclusions;
mod quotas;
mod records;
pub mod registry_settings;
mod replication;
pub mod repositories;
mod repository_policy;
pub mod scanning;
mod scoped_name;
pub mod secrets;
mod service;
mod signing;
mod state;
mod stored_images;
mod stored_layers;
mod subjects;
mod tagging;
#[cfg(test)]
mod test_service;
mod upload_places;
pub mod verification;
mod wire;
pub mod work;

pub use context::{Configuration, Context, Endpoint, Pace, RepositoryUriShape, Scheme, Service};
pub use ecru_model::{Caller, CallerKind};
pub use ecru_policy::{InvalidOrganizationId, OrganizationId};
pub use error::{Detail, Error};
pub use ports::Ports;
pub use quotas::{InvalidQuota, Quota, QuotaSetting, Quotas};
pub use upload_places::{UploadPlace, UploadPlaces};
pub use wire::Ecr;
