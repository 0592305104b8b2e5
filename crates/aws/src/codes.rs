//! The error codes of each protocol for errors that the wire itself finds.

use ecru_platform::wire::{Code, ProtocolName, ServiceError};

/// The codes of one protocol.
pub(crate) struct Codes {
    pub(crate) unknown_operation: Code,
    pub(crate) unreadable: Code,
    pub(crate) unsigned: Code,
    pub(crate) incomplete_signature: Code,
    pub(crate) expired: Code,
    /// The access key was issued here, but its session no longer exists.
    pub(crate) unknown_key: Code,
    pub(crate) malformed_http: Code,
    pub(crate) too_large: Code,
    pub(crate) timeout: Code,
    pub(crate) unavailable: Code,
}

static JSON: Codes = Codes {
    unknown_operation: Code::new("UnknownOperationException", 400),
    unreadable: Code::new("SerializationException", 400),
    unsigned: Code::new("MissingAuthenticationTokenException", 400),
    incomplete_signature: Code::new("IncompleteSignatureException", 400),
    expired: Code::new("ExpiredTokenException", 400),
    unknown_key: Code::new("UnrecognizedClientException", 400),
    malformed_http: Code::new("MalformedHttpRequestException", 400),
    too_large: Code::new("RequestEntityTooLargeException", 413),
    timeout: Code::new("RequestTimeoutException", 408),
    unavailable: Code::new("ServiceUnavailable", 503),
};

static QUERY: Codes = Codes {
    unknown_operation: Code::new("InvalidAction", 400),
    unreadable: Code::new("MalformedInput", 400),
    unsigned: Code::new("MissingAuthenticationToken", 403),
    incomplete_signature: Code::new("IncompleteSignature", 400),
    expired: Code::new("ExpiredToken", 403),
    unknown_key: Code::new("InvalidClientTokenId", 403),
    malformed_http: Code::new("MalformedHttpRequest", 400),
    too_large: Code::new("RequestEntityTooLarge", 413),
    timeout: Code::new("RequestTimeout", 408),
    unavailable: Code::new("ServiceUnavailable", 503),
};

static REST_JSON: Codes = Codes {
    unknown_operation: Code::new("UnknownOperationException", 400),
    unreadable: Code::new("SerializationException", 400),
    unsigned: Code::new("MissingAuthenticationTokenException", 403),
    incomplete_signature: Code::new("IncompleteSignatureException", 403),
    expired: Code::new("ExpiredTokenException", 403),
    unknown_key: Code::new("UnrecognizedClientException", 403),
    malformed_http: Code::new("MalformedHttpRequestException", 400),
    too_large: Code::new("RequestEntityTooLargeException", 413),
    timeout: Code::new("RequestTimeoutException", 408),
    unavailable: Code::new("ServiceUnavailableException", 503),
};

pub(crate) fn of(protocol: ProtocolName) -> &'static Codes {
    match protocol {
        ProtocolName::Json => &JSON,
        ProtocolName::Query => &QUERY,
        ProtocolName::RestJson => &REST_JSON,
    }
}

impl Codes {
    pub(crate) fn unknown(&'static self, message: impl Into<String>) -> ServiceError {
        ServiceError::new(&self.unknown_operation, message)
    }

    pub(crate) fn unreadable(&'static self, message: impl Into<String>) -> ServiceError {
        ServiceError::new(&self.unreadable, message)
    }
}
