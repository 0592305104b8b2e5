//! A service as the wire sees it: its facts, and one function that runs an operation.

use std::net::IpAddr;

use crate::Sender;
use crate::wire::{Code, Fields, Parse, ServiceError, Sink};

/// A service that can be mounted under an AWS protocol.
pub trait AwsService: Send + Sync + 'static {
    const FACTS: &'static ServiceFacts;

    /// Reads the input, runs the operation and prints its output. Generated code does this for all operations.
    fn call<P: Protocol>(
        &self,
        call: Call,
        given: P::Given,
    ) -> impl Future<Output = Result<P::Answer, ServiceError>> + Send;
}

/// One AWS protocol: how an input is read and an output is written.
pub trait Protocol: 'static {
    const NAME: ProtocolName;

    /// A request whose body has arrived.
    type Given: Send + 'static;
    type Fields: Fields;
    type Sink: Sink;
    type Answer: Send;

    fn read<T: Send + 'static>(
        operation: &'static OperationFacts,
        given: Self::Given,
        parse: Parse<Self::Fields, T>,
    ) -> impl Future<Output = Result<T, ServiceError>> + Send;

    fn write<T>(
        operation: &'static OperationFacts,
        output: &T,
        print: fn(&mut Self::Sink, &T),
    ) -> Self::Answer;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolName {
    Json,
    Query,
    RestJson,
}

/// The facts of a service that the wire needs. Generated from the service model.
#[derive(Debug)]
pub struct ServiceFacts {
    pub protocol: ProtocolName,
    pub api_version: &'static str,
    /// `1.0` or `1.1`; empty for protocols other than JSON.
    pub json_version: &'static str,
    /// The service's name in a credential scope.
    pub signing_name: &'static str,
    /// The prefix of the operation's name in `X-Amz-Target`; empty for protocols other than JSON.
    pub target_prefix: &'static str,
    pub xml_namespace: &'static str,
    pub operations: &'static [OperationFacts],
    /// Returns the index of the operation of this name.
    pub find: fn(&str) -> Option<usize>,
}

impl ServiceFacts {
    /// The index of the operation of this name.
    pub fn find(&self, operation: &str) -> Option<usize> {
        (self.find)(operation)
    }
}

/// The facts of an operation that the wire needs.
#[derive(Debug)]
pub struct OperationFacts {
    pub name: &'static str,
    /// The code for an input that breaks a constraint.
    pub violation: &'static Code,
    pub violations: Violations,
    pub body_bytes_max: u64,
    /// The member whose base64 is decoded while it arrives.
    pub streamed: Option<&'static str>,
    /// Whether requests need no signature.
    pub unsigned: bool,
    /// Whether the model has no output for the operation.
    pub answers_nothing: bool,
    /// The XML element around the output's members.
    pub result_wrapper: &'static str,
    pub http: Http,
}

/// The default limit of a body.
const BODY_BYTES_MAX: u64 = 1024 * 1024;

impl OperationFacts {
    /// An operation with the default facts.
    pub const fn new(name: &'static str, violation: &'static Code) -> Self {
        Self {
            name,
            violation,
            violations: Violations::Counted,
            body_bytes_max: BODY_BYTES_MAX,
            streamed: None,
            unsigned: false,
            answers_nothing: false,
            result_wrapper: "",
            http: Http {
                method: "POST",
                path: "/",
                status: 200,
            },
        }
    }
}

/// The method and path of an operation, for REST protocols.
#[derive(Clone, Copy, Debug)]
pub struct Http {
    pub method: &'static str,
    /// The path with its labels, such as `{name}` and `{name+}`.
    pub path: &'static str,
    pub status: u16,
}

/// The form of the message for an input that breaks constraints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Violations {
    /// All broken constraints with their number and values, as in most services.
    #[default]
    Counted,
    /// Only the first broken constraint.
    First,
}

/// A request without its input.
pub struct Call {
    /// The index of the operation in the service.
    pub number: usize,
    pub operation: &'static OperationFacts,
    /// `None` if the operation needs no signature and the request has none.
    pub sender: Option<Sender>,
    pub origin: Origin,
}

/// The address that a request was sent to, and the address of the client.
#[derive(Clone, Debug)]
pub struct Origin {
    pub https: bool,
    /// `host` or `host:port`.
    pub authority: String,
    /// The address of the client.
    pub source: IpAddr,
}
