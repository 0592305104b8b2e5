//! The base of every service: clock, keys, paging, background work, callers, and the traits between services and protocols.

mod bindings;
pub mod bodies;
pub mod clock;
pub mod component;
mod error;
pub mod jobs;
pub mod mac;
pub mod paging;
mod platform;
pub mod ports;
pub mod principals;
mod sender;
pub mod wire;

pub use bindings::Bindings;
pub use bodies::{BodyBudget, BodyRefused, HeldBody};
pub use clock::{Clock, NoRandomness, Random};
pub use error::{Code, DetailValue, ServiceError};
pub use paging::Page;
pub use platform::{Opening, Platform};
pub use sender::{Sender, Signed};
