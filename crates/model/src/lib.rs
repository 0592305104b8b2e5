//! The vocabulary of ECR: names, digests, tags, ARNs, scopes, and the types generated from the service model.

mod annotations;
mod arn;
mod caller;
mod digest;
mod error_chain;
#[rustfmt::skip]
mod generated;
pub mod identity;
mod image_tag;
pub mod json;
mod paginator;
pub mod percent;
mod region;
mod registry_id;
mod repository_name;
mod rule;
mod scope;
mod timestamp;
mod upload_id;
mod violation;
mod wildcard;

pub use annotations::Annotations;
pub use arn::Arn;
pub use caller::{Caller, CallerKind, Session, SessionDetails};
pub use digest::{Digest, DigestAlgorithm, InvalidDigest};
pub use error_chain::whole;
pub use generated::{
    error_code::ErrorCode,
    operation::{Operation, SIGNING_NAME, TARGET_PREFIX},
    rules, shapes,
    shapes::*,
};
pub use identity::Identity;
pub use image_tag::ImageTag;
pub use paginator::Paginator;
pub use region::Region;
pub use registry_id::RegistryId;
pub use repository_name::RepositoryName;
pub use rule::{Pattern, TextRule};
pub use scope::Scope;
pub use timestamp::Timestamp;
pub use upload_id::UploadId;
pub use violation::Violation;
pub use wildcard::matches_wildcard;
