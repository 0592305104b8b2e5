//! The policy language of IAM: documents, parsed strictly or as stored, and the decision over plain values.
//! It depends on no service: the caller defines the actions and whether a document may name resources.

mod condition;
mod evaluate;
mod facts;
mod organization;
mod pattern;
mod policy;
mod principal;
mod print;
mod unique_members;
mod variables;

pub use condition::Facts;
pub use evaluate::{Request, Verdict, evaluate};
pub use facts::{Circumstances, add_circumstances, add_tags, facts_of_caller};
pub use organization::{InvalidOrganizationId, OrganizationId};
pub use pattern::matches;
pub use policy::{Incoming, Policy};
pub use principal::{Principal, identities, is_root};
pub use unique_members::are_unique;
