//! The AWS Security Token Service: it says who a caller is, and issues temporary credentials.

mod assume_role;
mod assume_role_with_web_identity;
mod component;
mod context;
mod error;
#[doc(hidden)]
#[rustfmt::skip]
pub mod generated;
mod get_caller_identity;
mod get_session_token;
mod operations;
mod role;
mod session;
mod session_policy;
mod session_tags;
mod web_identity_token;
mod wire;

pub use context::Context;
pub use error::Error;
pub use wire::Sts;
