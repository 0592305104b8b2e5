//! The OCI Distribution v2 wire: requests below `/v2` into calls of the registry, and their answers.

mod path;
mod query;
mod range;
