//! The errors of the service. Each has a code of the service model and the message that a client sees.

use ecru_platform::paging::PagingError;

use crate::generated::codes::code;
use crate::generated::error_code::ErrorCode;

pub type Error = ecru_platform::ServiceError;

pub(crate) fn refused(which: ErrorCode, message: impl Into<String>) -> Error {
    Error::new(code(which), message)
}

/// A parameter that no constraint of the model refuses.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    refused(ErrorCode::ValidationException, message)
}

/// A value outside of what the service accepts, in the sentence that AWS uses for the constraints of its model.
pub(crate) fn violated(value: impl std::fmt::Display, member: &str, constraint: &str) -> Error {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    ))
}

/// A member that a request lacks.
pub(crate) fn missing(member: &str) -> Error {
    invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

/// Something that KMS has and this service does not.
pub(crate) fn unsupported(message: impl Into<String>) -> Error {
    refused(ErrorCode::UnsupportedOperationException, message)
}

pub(crate) fn bad_marker(_error: PagingError) -> Error {
    refused(
        ErrorCode::InvalidMarkerException,
        "The marker was not returned by this operation with these parameters",
    )
}

/// The end of a request that sets `DryRun`, if everything that is checked before the work was good.
pub(crate) fn end_dry_run(dry_run: Option<bool>) -> Result<(), Error> {
    if dry_run != Some(true) {
        return Ok(());
    }
    Err(refused(
        ErrorCode::DryRunOperationException,
        "The request would have succeeded, but the DryRun option is set.",
    ))
}
