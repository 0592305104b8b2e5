//! The policy language of IAM: documents, parsed strictly or as stored, and the decision over plain values.
//! It depends on no service: the caller defines the actions and whether a document may name resources.

mod condition;
mod context_keys;
mod evaluate;
mod facts;
mod grammar;
mod organization;
mod pattern;
mod policy;
mod principal;
mod print;
mod unique_members;
mod variables;

pub use context_keys::{Circumstances, add_circumstances, add_tags, facts_of_caller};
pub use evaluate::{Request, Verdict, evaluate};
pub use facts::Facts;
pub use grammar::Incoming;
pub use organization::{InvalidOrganizationId, OrganizationId};
pub use pattern::matches;
pub use policy::Policy;
pub use principal::{Principal, identities, is_root};
pub use unique_members::are_unique;
