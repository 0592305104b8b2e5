//! Lifecycle policies.

mod evaluate;
mod grammar;
mod policy;
