//! What every service is built on. So far: the traits between a service and the AWS protocols.

pub mod wire;
