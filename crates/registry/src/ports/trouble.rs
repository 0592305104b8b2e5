//! Why an upstream registry returned nothing.

use ecru_model::ErrorCode;
use ecru_store::StoreError;

use super::upstreams::UpstreamError;
use crate::Error;

/// Why nothing came from upstream.
#[derive(Debug)]
pub(crate) enum Trouble {
    Upstream(UpstreamError),
    /// The credentials cannot be read.
    Secret(Error),
    Registry(Error),
}

impl From<UpstreamError> for Trouble {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Registry(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

/// ECR's sentence begins so; [unknown] how it continues.
const DENIED: &str = "The authentication to the upstream registry failed. Verify that the credentials in the secret are \
                      valid and that the image can be pulled with them.";

impl Trouble {
    /// The same as an error for a client of `/v2/`; `missing` is the error if the upstream does not have it.
    pub(crate) fn answer(self, missing: Error, unable: ErrorCode) -> Error {
        match self {
            Self::Upstream(UpstreamError::NotFound) => missing,
            Self::Upstream(UpstreamError::Denied) => Error::new(ErrorCode::AccessDeniedException, DENIED),
            Self::Upstream(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an upstream registry did not answer a pull"
                );
                Error::new(unable, error.to_string()).caused_by(error)
            }
            Self::Secret(error) | Self::Registry(error) => error,
        }
    }

    /// A sentence for people, without internal details.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Upstream(UpstreamError::Denied) => DENIED.to_owned(),
            Self::Upstream(error) => error.to_string(),
            Self::Secret(error) => error.message.clone(),
            Self::Registry(_) => "the registry failed".to_owned(),
        }
    }

    /// [unknown] which codes ECR's events have; these are the codes of its failures.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Upstream(UpstreamError::NotFound) => "ImageNotFound",
            Self::Upstream(UpstreamError::Denied) => "UpstreamAccessDenied",
            Self::Upstream(UpstreamError::TooManyRequests) => "UpstreamTooManyRequests",
            Self::Upstream(_) => "UpstreamUnavailable",
            Self::Secret(error) | Self::Registry(error) => error.code.name(),
        }
    }

    /// Whether another attempt may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Upstream(error) => matches!(
                error,
                UpstreamError::TooManyRequests
                    | UpstreamError::Unavailable(_)
                    | UpstreamError::Unusable(_)
                    | UpstreamError::Failed(_)
            ),
            Self::Secret(_) => false,
            Self::Registry(error) => matches!(
                error.code,
                ErrorCode::ServerException | ErrorCode::ThrottlingException
            ),
        }
    }
}

impl Trouble {
    /// A copy for another waiting caller.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Upstream(error) => Self::Upstream(match error {
                UpstreamError::NotFound => UpstreamError::NotFound,
                UpstreamError::Denied => UpstreamError::Denied,
                UpstreamError::TooManyRequests => UpstreamError::TooManyRequests,
                UpstreamError::Forbidden(why) => UpstreamError::Forbidden(why),
                UpstreamError::Unusable(why) => UpstreamError::Unusable(why),
                UpstreamError::Failed(status) => UpstreamError::Failed(*status),
                UpstreamError::Unavailable(cause) => UpstreamError::Unavailable(cause.to_string().into()),
            }),
            Self::Secret(error) => Self::Secret(Error::new(error.code, error.message.clone())),
            Self::Registry(error) => Self::Registry(Error::new(error.code, error.message.clone())),
        }
    }
}
