//! The load generator: a closed loop of HTTP/1.1 requests over many connections on one thread.

mod content;
mod engine;
mod exchange;
mod request;
mod response;
mod scripts;

pub(crate) use content::{Blob, Content, digest_of};
pub(crate) use engine::{Outcome, Script, run};
pub(crate) use exchange::{exchange, exchange_all};
pub(crate) use request::{HOST, Request};
pub(crate) use response::Response;
pub(crate) use scripts::{Each, Repeat};
