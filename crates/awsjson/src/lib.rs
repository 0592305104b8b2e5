//! The AWS JSON 1.1 wire: a signed POST to an operation's input, and its output or error back to JSON.

mod answer;
mod body;
mod credentials;
mod document;
mod fault;
#[rustfmt::skip]
mod generated;
mod handle;
mod reader;
mod writer;

pub use answer::ErrorNames;
pub use handle::{Origin, handle};
