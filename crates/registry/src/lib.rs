//! What ECR's operations, and an image push or pull, do: one room per family, one file per operation.

mod access;
pub mod authorization;
mod bodies;
pub mod clock;
mod context;
mod creation_templates;
mod error;
pub mod events;
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
#[rustfmt::skip]
pub mod generated;
pub mod housekeeping;
pub mod images;
pub mod introspection;
pub mod jobs;
pub mod layers;
pub mod lifecycle;
mod mac;
pub mod operations;
mod organization;
mod paging;
pub mod principals;
pub mod pull_through_cache;
mod pull_time_exclusions;
pub mod registry_settings;
mod replication;
pub mod repositories;
mod repository_policy;
mod reset;
pub mod scanning;
pub mod secrets;
mod signing;
mod tagging;
mod unique_members;
pub mod verification;
mod wire;

pub use bodies::{BodyBudget, BodyRefused, HeldBody};
pub use clock::{Clock, Random};
pub use context::{
    Caller, CallerKind, Configuration, Context, Endpoint, Pace, RepositoryUriShape, Scheme, Service,
};
pub use error::{Detail, Error};
pub use organization::{InvalidOrganizationId, OrganizationId};
pub use paging::Page;
pub use reset::{ResetFilter, reset};
pub use wire::Ecr;
