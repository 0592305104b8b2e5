//! The AWS wire: reads a request for an operation of any mounted service, and writes the response in the
//! client's protocol.

mod answer;
mod body;
mod codes;
mod credentials;
mod document;
mod form;
mod mount;
mod protocol;
mod request_ids;
mod rest;
mod route;
mod wire;

pub use answer::ErrorNames;
pub use ecru_platform::wire::Origin;
pub use mount::{Mounted, json, query, rest_json};
pub use wire::Wire;
