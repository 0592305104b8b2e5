//! What lists of ECR refuse.

use ecru_model::ErrorCode;
use ecru_platform::paging::PagingError;

use crate::Error;

impl From<PagingError> for Error {
    fn from(error: PagingError) -> Self {
        match error {
            PagingError::NotOurs => Self::new(
                ErrorCode::InvalidContinuationTokenException,
                "Invalid parameter at 'nextToken' failed to satisfy constraint: 'must be a token returned by this operation'",
            ),
            PagingError::TooMuchNamed => Self::new(ErrorCode::InvalidParameterException, error.to_string()),
        }
    }
}

/// A request cannot both page and name the things that it wants.
pub(crate) fn refuse_paging(
    named: bool,
    names_member: &str,
    max_results: Option<i32>,
    next_token: Option<&str>,
) -> Result<(), Error> {
    if !named {
        return Ok(());
    }
    let member = match (next_token, max_results) {
        (Some(_), _) => "nextToken",
        (None, Some(_)) => "maxResults",
        (None, None) => return Ok(()),
    };
    Err(Error::parameter(
        member,
        &format!("must not be set together with {names_member}"),
    ))
}
