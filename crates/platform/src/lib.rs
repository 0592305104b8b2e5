//! The base of every service. So far it holds the traits between a service and the AWS protocols.

pub mod wire;
