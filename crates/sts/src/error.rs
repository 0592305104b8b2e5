//! The errors of the service. Each has a code of the service model and the message that a client sees.

use crate::generated::codes::code;
use crate::generated::error_code::ErrorCode;

pub type Error = ecru_platform::ServiceError;

pub(crate) fn refused(which: ErrorCode, message: impl Into<String>) -> Error {
    Error::new(code(which), message)
}

/// A parameter that no constraint of the model refuses.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    refused(ErrorCode::ValidationError, message)
}
