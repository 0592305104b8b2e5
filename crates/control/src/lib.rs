//! The control API, `/_ecru/…`: what tests and operators inspect and set, without credentials and over every account and region.
//!
//! A route is one line of a table, and everything else follows from the table: which methods a path answers, the OpenAPI
//! document, and the list in the documentation.

mod answer;
mod body;
mod call;
mod ecr;
mod fakecloud;
mod page;
mod platform;
mod problem;
mod query;
mod route;
mod routes;
mod text;

#[cfg(test)]
mod openapi;

pub use answer::{answer, json_answer};
pub use call::Control;
pub use problem::Problem;
