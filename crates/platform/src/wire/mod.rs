//! The traits between services and AWS protocols. Generated code names no protocol, and protocols name no
//! service.

mod fields;
mod member;
mod service;
mod sink;
mod trail;

pub use crate::error::{Code, DetailValue, ServiceError};
pub use fields::{Fields, LengthRule, Parse, Refused, ValueRule};
pub use member::{List, Member, Place};
pub use service::{
    AwsService, Call, Http, OperationFacts, Origin, Protocol, ProtocolName, ServiceFacts, Violations,
};
pub use sink::Sink;
pub use trail::{Step, Trail};
